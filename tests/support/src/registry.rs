//! A real docker-registry on a loopback port; engines allow loopback registries without TLS.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::http::{Server, escape};
use crate::image::{Image, digest};
use crate::process::Process;
use crate::redis_server::free_port;

const READY: Duration = Duration::from_secs(10);
const BYTES: &str = "application/octet-stream";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A registry; dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    port: u16,
}

impl Registry {
    /// Starts one that keeps its data in `folder`.
    pub fn start(folder: &Path) -> Self {
        let mut registry = Self::launch(folder);
        registry.wait_ready();
        registry
    }

    /// Starts one without waiting for it.
    pub(crate) fn launch(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog: {{ level: warn, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: {} }}, delete: {{ enabled: true }} }}\n\
             http: {{ addr: '127.0.0.1:{port}' }}\n",
            folder.join("data").display()
        );
        let path = folder.join("config.yml");
        std::fs::write(&path, config).expect("the registry's configuration can be written");
        let args = ["serve".to_owned(), path.display().to_string()];
        let process = Process::start(Path::new("docker-registry"), &args, &[], &folder.join("registry.log"));
        Self { process, port }
    }

    pub(crate) fn wait_ready(&mut self) {
        let server = Server::Loopback(self.port);
        let answers = || server.request("GET", "/v2/", BYTES, &[]).is_ok_and(|response| response.status == 200);
        self.process.wait_ready(READY, answers);
    }

    /// Its name in references: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The full repository of a name: `127.0.0.1:PORT/NAME`.
    pub fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// Puts an image there as `name:tag`, past every engine; returns the digest of its manifest.
    pub fn publish(&self, name: &str, tag: &str, image: &Image) -> String {
        let layers = image.layers();
        let config = image.config(&layers);
        let config_digest = self.upload(name, &config);
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| {
                let digest = self.upload(name, &layer.tar);
                json!({ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.tar.len(), "digest": digest })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": config_digest },
            "layers": layers,
        });
        self.call("PUT", &format!("/v2/{name}/manifests/{tag}"), MANIFEST, manifest.to_string().as_bytes());
        digest(manifest.to_string().as_bytes())
    }

    /// The digest of the manifest behind a tag.
    pub fn digest(&self, name: &str, tag: &str) -> String {
        let path = format!("/v2/{name}/manifests/{tag}");
        let response = Server::Loopback(self.port).request("HEAD", &path, MANIFEST, &[]);
        let response = response.unwrap_or_else(|error| panic!("the registry is away: {error}"));
        let digest = response.header("docker-content-digest");
        digest.unwrap_or_else(|| panic!("not in the registry: {name}:{tag} ({})", response.status)).to_owned()
    }

    /// Deletes a manifest, so that it can be pulled no more.
    pub fn delete(&self, name: &str, digest: &str) {
        self.call("DELETE", &format!("/v2/{name}/manifests/{digest}"), BYTES, &[]);
    }

    fn upload(&self, name: &str, blob: &[u8]) -> String {
        let digest = digest(blob);
        let server = Server::Loopback(self.port);
        let there = server.request("HEAD", &format!("/v2/{name}/blobs/{digest}"), BYTES, &[]);
        if there.is_ok_and(|response| response.status == 200) {
            return digest;
        }
        let location = self.call("POST", &format!("/v2/{name}/blobs/uploads/"), BYTES, &[]);
        let path = location.split_once(&self.host()).map_or(location.as_str(), |(_, path)| path);
        let mark = if path.contains('?') { '&' } else { '?' };
        self.call("PUT", &format!("{path}{mark}digest={}", escape(&digest)), BYTES, blob);
        digest
    }

    /// One request that must succeed; where it says that the thing is.
    fn call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
        let response = Server::Loopback(self.port)
            .request(method, path, kind, body)
            .unwrap_or_else(|error| panic!("the registry is away ({method} {path}): {error}\n{}", self.process.log()));
        assert!(response.status < 300, "{method} {path}: {} {}", response.status, response.text());
        response.header("location").unwrap_or_default().to_owned()
    }
}
