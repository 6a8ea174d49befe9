//! What the engine says, asked on a connection of the soak's own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use imgmgrd_test_support::EngineClient;
use serde_json::Value;

/// A container, as the engine lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    /// Its name.
    pub(crate) name: String,
    /// The id of its image.
    pub(crate) image: String,
    /// Whether it runs.
    pub(crate) is_running: bool,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct View {
    /// The image of each tag and digest reference.
    pub(crate) names: BTreeMap<String, String>,
    /// The ids of all images.
    pub(crate) images: BTreeSet<String>,
    /// All containers by id.
    pub(crate) containers: BTreeMap<String, Seen>,
}

impl View {
    /// Asks.
    pub(crate) fn take(engine: &EngineClient) -> io::Result<Self> {
        let mut view = Self::default();
        for image in list(&engine.try_get("/images/json")?) {
            let id = text(&image["Id"]);
            for field in ["RepoTags", "RepoDigests"] {
                let names = list(&image[field]).iter().filter_map(Value::as_str);
                view.names
                    .extend(names.filter(|name| !name.starts_with("<none>")).map(|name| (name.to_owned(), id.clone())));
            }
            view.images.insert(id);
        }
        for container in list(&engine.try_get("/containers/json?all=1")?) {
            let seen = Seen {
                name: text(&container["Names"][0]).trim_start_matches('/').to_owned(),
                image: text(&container["ImageID"]),
                is_running: container["State"] == "running",
            };
            view.containers.insert(text(&container["Id"]), seen);
        }
        Ok(view)
    }

    /// The names of an image.
    pub(crate) fn names_of<'a>(&'a self, image: &'a str) -> impl Iterator<Item = &'a str> {
        self.names.iter().filter(move |(_, id)| *id == image).map(|(name, _)| name.as_str())
    }

    /// The names of an image in registries.
    pub(crate) fn kube_names_of<'a>(&'a self, image: &'a str) -> impl Iterator<Item = &'a str> {
        self.names_of(image).filter(|name| name.contains('/'))
    }

    /// The containers that use an image.
    pub(crate) fn users<'a>(&'a self, image: &'a str) -> impl Iterator<Item = &'a Seen> {
        self.containers.values().filter(move |container| container.image == image)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
