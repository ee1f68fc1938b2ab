//! The RTSP server against GStreamer's own client.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends by panicking, and says what it measured")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use gstreamer::ClockTime;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use vedette::base::clock::{Clock as _, SystemClock};
use vedette::decode::serve::{Mount, RtspServer, ServeError, Settings, Source};
use vedette::decode::street::Street;

use crate::support::serve_process::{ServerProcess, login};

/// A client that decodes what it is sent.
struct Client {
    pipeline: gstreamer::Pipeline,
    sink: AppSink,
}

impl Client {
    fn new(url: &str, protocols: &str, login: Option<(&str, &str)>) -> Self {
        gstreamer::init().unwrap();
        let line = "rtspsrc name=in latency=100 ! decodebin ! videoconvert ! video/x-raw,format=I420 ! appsink name=out sync=false";
        let pipeline = gstreamer::parse::launch(line).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
        let source = pipeline.by_name("in").unwrap();
        source.set_property("location", url);
        source.set_property_from_str("protocols", protocols);
        if let Some((user, password)) = login {
            source.set_property("user-id", user);
            source.set_property("user-pw", password);
        }
        let sink = pipeline.by_name("out").unwrap().downcast().unwrap();
        pipeline.set_state(gstreamer::State::Playing).unwrap();
        Self { pipeline, sink }
    }

    fn sample(&self) -> Option<gstreamer::Sample> {
        self.sink.try_pull_sample(ClockTime::from_seconds(20))
    }

    fn size_of_next(&self) -> Option<(u32, u32)> {
        let info = gstreamer_video::VideoInfo::from_caps(self.sample()?.caps()?).ok()?;
        Some((info.width(), info.height()))
    }

    fn error(&self) -> Option<String> {
        let message =
            self.pipeline.bus()?.timed_pop_filtered(ClockTime::from_seconds(20), &[gstreamer::MessageType::Error])?;
        match message.view() {
            gstreamer::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gstreamer::State::Null);
    }
}

/// A client's connection that has asked for the stream at `url`, and takes nothing of it.
fn play_over_tcp(url: &str) -> TcpStream {
    let host = url.split('/').nth(2).unwrap();
    let mut line = TcpStream::connect(host).unwrap();
    let mut ask = |request: &str, headers: &str| {
        write!(line, "{request} RTSP/1.0\r\n{headers}\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            line.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("RTSP/1.0 200"), "{request}: {answer}");
        let value = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let length = value("Content-Length: ").map_or(0, |length| length.parse().unwrap());
        line.read_exact(&mut vec![0; length]).unwrap();
        value("Session: ").map(|session| session.split(';').next().unwrap().to_owned())
    };
    ask(&format!("DESCRIBE {url}"), "CSeq: 1\r\nAccept: application/sdp\r\n");
    let transport = "CSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    let session = ask(&format!("SETUP {url}/stream=0"), transport).unwrap();
    ask(&format!("PLAY {url}"), &format!("CSeq: 3\r\nSession: {session}\r\n"));
    line
}

fn street() -> Source {
    Source::Street { seed: 7, width: 320, height: 180, fps: 10.0 }
}

fn mount(path: &str, source: Source) -> Mount {
    Mount { path: path.to_owned(), source }
}

/// Ten pictures in one second, written by GStreamer itself.
fn write_clip(path: &Path, format: &str, encoder: &str, muxer: &str) {
    let raw = format!("video/x-raw,format={format},width=160,height=120,framerate=10/1");
    write(path, &format!("videotestsrc num-buffers=10 ! {raw} ! {encoder} ! {muxer}"));
}

/// Two seconds of noise, five megabytes each.
fn write_noise(path: &Path) {
    let raw = "video/x-raw,width=640,height=480,framerate=25/1";
    let coder = "x264enc bitrate=40000 speed-preset=ultrafast key-int-max=5 ! h264parse ! matroskamux";
    write(path, &format!("videotestsrc num-buffers=50 pattern=snow ! {raw} ! {coder}"));
}

fn write(path: &Path, chain: &str) {
    gstreamer::init().unwrap();
    let line = format!("{chain} ! filesink name=out");
    let pipeline = gstreamer::parse::launch(&line).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
    pipeline.by_name("out").unwrap().set_property("location", path.to_str().unwrap());
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let ended = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let message = pipeline.bus().unwrap().timed_pop_filtered(ClockTime::from_seconds(30), &ended).unwrap();
    assert_eq!(message.type_(), gstreamer::MessageType::Eos, "{chain}");
    pipeline.set_state(gstreamer::State::Null).unwrap();
}

#[test]
fn the_street_is_served_to_several_clients_over_tcp_and_udp() {
    let mounts = vec![mount("/street", street())];
    let server = RtspServer::start(Settings { mounts, ..Settings::default() }).unwrap();
    let first = Client::new(&server.url(), "tcp", None);
    assert_eq!(first.size_of_next(), Some((320, 180)));
    let second = Client::new(&server.url(), "udp", None);
    assert_eq!(second.size_of_next(), Some((320, 180)));
    drop(first);
    for _ in 0..5 {
        assert!(second.sample().is_some(), "one client's leaving does not end the other's stream");
    }
    drop(second);
    let third = Client::new(&server.url(), "tcp", None);
    assert_eq!(third.size_of_next(), Some((320, 180)), "the stream is built anew after all have left");
}

#[test]
fn what_is_received_is_the_street_as_it_is_drawn() {
    let mounts = vec![mount("/street", street())];
    let server = RtspServer::start(Settings { mounts, ..Settings::default() }).unwrap();
    let client = Client::new(&server.url(), "tcp", None);
    let sample = client.sample().unwrap();
    let received = sample.buffer().unwrap().map_readable().unwrap();
    let mut drawn = Vec::new();
    Street::new(7, 320, 180, 10.0).draw(0, &mut drawn);
    let apart: u64 = received.iter().zip(&drawn).take(320 * 180).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(apart < 8 * 320 * 180, "luma differs by {} on average", apart as f64 / (320.0 * 180.0));
}

#[test]
fn a_clip_goes_on_beyond_its_end_with_times_that_grow() {
    let folder = tempfile::tempdir().unwrap();
    let clips = [
        ("h264.mp4", "I420", "x264enc bframes=2 key-int-max=10 ! h264parse", "mp4mux"),
        ("h265.mkv", "I420", "x265enc key-int-max=10 ! h265parse", "matroskamux"),
        ("mpeg4.avi", "I420", "avenc_mpeg4", "avimux"),
        ("mjpeg.mkv", "I420", "jpegenc", "matroskamux"),
        ("full.mkv", "Y444", "jpegenc", "matroskamux"),
    ];
    let mounts = clips.map(|(name, format, encoder, muxer)| {
        let path = folder.path().join(name);
        write_clip(&path, format, encoder, muxer);
        mount(&format!("/{name}"), Source::Clip(path))
    });
    let server = RtspServer::start(Settings { mounts: mounts.to_vec(), ..Settings::default() }).unwrap();
    for (name, ..) in clips {
        let client = Client::new(&server.url_of(&format!("/{name}")), "tcp", None);
        let mut last = None;
        for i in 0..25 {
            let sample = client.sample().unwrap_or_else(|| panic!("{name} ended after {i} pictures"));
            let at = sample.buffer().unwrap().pts().unwrap();
            if let Some(last) = last {
                let apart = at.nseconds() as i64 - ClockTime::nseconds(last) as i64;
                // The client bends times a little to follow the sender's clock.
                assert!((0..2_000_000_000).contains(&apart), "{name}: picture {i} comes {apart} ns after the last");
            }
            last = Some(at);
        }
    }
}

#[test]
fn only_who_knows_the_password_may_watch() {
    for digest in [false, true] {
        let mounts = vec![mount("/street", street())];
        let server = RtspServer::start(Settings { login: Some(login(digest)), mounts, ..Settings::default() }).unwrap();
        assert!(!server.url().contains("canary"));
        let known = Client::new(&server.url(), "tcp", Some(("viewer", "canary-password")));
        assert_eq!(known.size_of_next(), Some((320, 180)), "digest: {digest}");
        for login in [None, Some(("viewer", "wrong"))] {
            let error = Client::new(&server.url(), "tcp", login).error();
            assert!(error.is_some(), "digest: {digest}, {login:?} was let in");
        }
    }
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.mp4");
    std::fs::write(&broken, b"this is no clip").unwrap();
    for path in [broken, folder.path().join("absent.mp4")] {
        let mounts = vec![mount("/clip", Source::Clip(path.clone()))];
        let error = RtspServer::start(Settings { mounts, ..Settings::default() }).unwrap_err();
        assert!(matches!(&error, ServeError::Clip { path: at, .. } if *at == path), "{error}");
    }
    let first = RtspServer::start(Settings::default()).unwrap();
    let error = RtspServer::start(Settings { port: first.port(), ..Settings::default() }).unwrap_err();
    assert!(matches!(error, ServeError::Listen { .. }), "{error}");
}

#[test]
fn a_client_that_takes_nothing_any_more_holds_up_nobody_for_longer_than_its_session() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("noise.mkv");
    write_noise(&clip);
    let mounts = vec![mount("/live", Source::Clip(clip))];
    let server = RtspServer::start(Settings { mounts, ..Settings::default() }).unwrap();
    let gone = play_over_tcp(&server.url());
    // The buffers between the two are full within seconds, and nobody who comes then is given anything.
    std::thread::park_timeout(Duration::from_secs(15));
    let began = SystemClock.mono();
    let sees = |attempt: &i32| {
        let next = Client::new(&server.url(), "tcp", None);
        let sees = next.sink.try_pull_sample(ClockTime::from_seconds(5)).is_some();
        let (what, after) = (if sees { "it" } else { "nothing" }, SystemClock.mono() - began);
        println!("attempt {attempt}: sees {what}, after {after:.1?}");
        sees
    };
    assert!((1..=8).any(|attempt| sees(&attempt)), "it holds up who comes later");
    drop(gone);
}

#[test]
fn a_server_process_can_be_killed_and_replaced_at_the_same_port() {
    let server = ServerProcess::start("scene", 0);
    assert!(server.pid() > 0);
    let (url, port) = (server.url.clone(), server.port);
    assert!(Client::new(&url, "tcp", None).sample().is_some());
    drop(server);
    let again = ServerProcess::start("scene", port);
    assert_eq!(again.url, url);
    assert!(Client::new(&url, "tcp", None).sample().is_some());
}
