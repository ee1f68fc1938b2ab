//! Whether a source is there at all, found out without opening it.
//!
//! Opening one takes a pipeline and several threads; asking whether anybody is there takes a packet. A camera that has
//! been away for long is asked that way, often, and opened once it answers.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use url::{Host, Url};

use super::Source;
use super::source::Place;

/// The ports of `rtsps` and `rtsp` where the URL names none.
const PORTS: [(&str, u16); 2] = [("rtsps", 322), ("rtsp", 554)];

impl Source {
    /// Whether a camera accepts connections, or a file or device exists. Each address of the camera is given `limit`;
    /// looking its name up may take as long as the system allows.
    pub fn is_there(&self, limit: Duration) -> bool {
        match self.place() {
            Place::Rtsp(url) => accepts(url, limit),
            Place::File(path) | Place::Device(path) => path.exists(),
            Place::Scene(_) => true,
        }
    }
}

fn accepts(url: &Url, limit: Duration) -> bool {
    addresses(url).into_iter().any(|address| TcpStream::connect_timeout(&address, limit).is_ok())
}

/// Where an RTSP server is; nowhere, if its name is not known. May take as long as the system allows.
pub(super) fn addresses(url: &Url) -> Vec<SocketAddr> {
    // GStreamer adds letters for the transport to the scheme.
    let known = PORTS.iter().find(|(scheme, _)| url.scheme().starts_with(scheme)).map(|(_, port)| *port);
    let host = match url.host() {
        // Without the brackets that it has in a URL.
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Vec::new(),
    };
    let Some(port) = url.port().or(known) else { return Vec::new() };
    (host.as_str(), port).to_socket_addrs().into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn is_there(text: &str) -> bool {
        Source::parse(text).unwrap().is_there(Duration::from_secs(5))
    }

    #[test]
    fn a_camera_is_there_while_its_port_accepts_connections() {
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            let Ok(listener) = TcpListener::bind(format!("{}:0", host.replace("localhost", "127.0.0.1"))) else {
                println!("SKIPPED {host}: this machine has no such address");
                continue;
            };
            let url = format!("rtsp://u:p@{host}:{}/live", listener.local_addr().unwrap().port());
            assert!(is_there(&url), "{url}");
            drop(listener);
            assert!(!is_there(&url), "{url}");
        }
        assert!(!is_there("rtsp://nobody.invalid/live"));
    }

    #[test]
    fn a_file_or_device_is_there_when_it_exists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        assert!(!is_there(path.to_str().unwrap()));
        std::fs::write(&path, "x").unwrap();
        assert!(is_there(path.to_str().unwrap()));
        assert!(!is_there("v4l2:///dev/none-such") && is_there("scene://"));
    }
}
