//! A real RTSP server in a process of its own, so that it can be killed, paused and started again on the same port.
//!
//! The test binary runs itself with `VEDETTE_TEST_RTSP` set: the test `rtsp_server_child` then is that server, and does
//! nothing otherwise.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gstreamer as gst;
use gstreamer_rtsp_server as server;
use gstreamer_rtsp_server::prelude::*;
use rustix::process::{Pid, Signal, kill_process};

const VARIABLE: &str = "VEDETTE_TEST_RTSP";

/// What a server offers at `/live`.
#[derive(Debug, Clone)]
pub struct Offer {
    /// A `gst-launch-1.0` description that ends in a payloader named `pay0`.
    pub launch: String,
    /// `basic` or `digest`: then only `viewer` with the password `s3cret` is let in.
    pub auth: Option<&'static str>,
}

impl Offer {
    /// A moving test picture in H.264 with a keyframe a second, encoded with little effort.
    pub fn h264(width: u32, height: u32, fps: u32) -> Self {
        Self::of(&format!(
            "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},framerate={fps}/1 \
             ! x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max={fps} \
             ! rtph264pay name=pay0 pt=96 config-interval=-1"
        ))
    }

    /// Any description.
    pub fn of(launch: &str) -> Self {
        Self { launch: launch.to_owned(), auth: None }
    }
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    offer: Offer,
    pub port: u16,
}

impl Server {
    /// Starts a server on a free port.
    pub fn start(offer: Offer) -> Self {
        let port = free_port();
        Self { child: spawn(&offer, port), offer, port }
    }

    /// The URL of what it offers.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }

    /// As `kill -9`, or a pulled plug.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, offering something else if given.
    pub fn revive(&mut self, offer: Option<Offer>) {
        self.offer = offer.unwrap_or_else(|| self.offer.clone());
        self.child = spawn(&self.offer, self.port);
    }

    /// Stops it without ending it: its connections stay, and are silent.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port nobody listens on. Another may take it before it is used, which is unlikely enough for a test.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(offer: &Offer, port: u16) -> Child {
    let what = format!("{port}\n{}\n{}", offer.auth.unwrap_or("none"), offer.launch);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["support::rtsp::rtsp_server_child", "--exact", "--nocapture"])
        .env(VARIABLE, what)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Up to a minute, until it listens.
    let listens = (0..1200).any(|_| {
        std::thread::park_timeout(Duration::from_millis(50));
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    assert!(listens, "the RTSP server does not start");
    child
}

/// Is the server when asked to be; passes at once otherwise.
#[test]
fn rtsp_server_child() {
    let Ok(what) = std::env::var(VARIABLE) else { return };
    let mut parts = what.splitn(3, '\n');
    let (port, auth, launch) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    gst::init().unwrap();
    let rtsp = server::RTSPServer::new();
    rtsp.set_address("127.0.0.1");
    rtsp.set_service(port);
    let factory = server::RTSPMediaFactory::new();
    factory.set_launch(&format!("( {launch} )"));
    factory.set_shared(true);
    if auth != "none" {
        protect(&rtsp, &factory, auth);
    }
    rtsp.mount_points().unwrap().add_factory("/live", factory);
    let _attached = rtsp.attach(None).unwrap();
    gst::glib::MainLoop::new(None, false).run();
}

fn protect(rtsp: &server::RTSPServer, factory: &server::RTSPMediaFactory, method: &str) {
    let auth = server::RTSPAuth::new();
    let token = server::RTSPToken::builder().field("media.factory.role", "viewer").build();
    if method == "digest" {
        auth.set_supported_methods(server::gst_rtsp::RTSPAuthMethod::Digest);
        auth.add_digest("viewer", "s3cret", &token);
    } else {
        auth.add_basic(&server::RTSPAuth::make_basic("viewer", "s3cret"), &token);
    }
    rtsp.set_auth(Some(&auth));
    let role = gst::Structure::builder("viewer")
        .field("media.factory.access", true)
        .field("media.factory.construct", true)
        .build();
    factory.add_role_from_structure(&role);
}
