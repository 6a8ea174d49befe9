//! The control socket.

use imgmgrd::agent::{Reply, Request};

use crate::said::{NAMED, assert_said};

/// Requests to the agent, and replies to commands: what is understood is written as it was read.
///
/// # Panics
/// If something is broken.
pub fn control(bytes: &[u8]) {
    match Request::read(bytes) {
        Ok(request) => {
            if let Some(feature) = &request.feature {
                assert_said(feature.as_str(), 64);
            }
            let line = serde_json::to_vec(&request).expect("a request can be written");
            assert_eq!(Request::read(&line), Ok(request));
        }
        Err(reason) => assert_said(&reason, NAMED),
    }
    if let Ok(reply) = serde_json::from_slice::<Reply>(bytes) {
        let line = serde_json::to_vec(&reply).expect("a reply can be written");
        assert!(!line.contains(&b'\n'), "one line");
        assert_eq!(serde_json::from_slice::<Reply>(&line).expect("it can be read"), reply);
    }
}
