//! A real RTSP server for demonstrations and tests: clips in a loop, and the rendered street.
//!
//! Each mount has one medium that all its clients share, built when the first comes and taken down when the last leaves.
//! A clip in H.264 or H.265 is sent as it is, with timestamps that go on from round to round, so that clients never see
//! its end; any other is coded anew. The street is coded as it is drawn.

mod feed;
mod packets;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::gst_rtsp::RTSPAuthMethod;
use gstreamer_rtsp_server::prelude::*;

use crate::base::shutdown::{Shutdown, Stopping};
use crate::base::threads;
use crate::decode::DecodeError;
use crate::decode::street::Street;
use crate::vocab::Secret;

use feed::Reel;

/// The role that somebody who logged in has.
const ROLE: &str = "viewer";
/// The session of a client that took nothing for so many seconds, and 5 that GStreamer adds, ends.
const SESSION_SECONDS: u32 = 10;

/// What is served, where and to whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen at; default `127.0.0.1`.
    pub address: String,
    /// The TCP port; default 0, which takes a free one.
    pub port: u16,
    /// Who may watch; default `None`, which is everybody.
    pub login: Option<Login>,
    /// What is served.
    pub mounts: Vec<Mount>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { address: "127.0.0.1".to_owned(), port: 0, login: None, mounts: Vec::new() }
    }
}

/// A user and how the password is asked for.
#[derive(Debug, Clone)]
pub struct Login {
    /// Name.
    pub user: String,
    /// Password.
    pub password: Secret,
    /// Digest authentication instead of Basic.
    pub digest: bool,
}

/// One stream.
#[derive(Debug, Clone)]
pub struct Mount {
    /// Its path, beginning with `/`.
    pub path: String,
    /// What it shows.
    pub source: Source,
}

/// What a stream shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A recorded clip, over and over.
    Clip(PathBuf),
    /// The rendered street; see [`Street::new`].
    Street {
        /// Decides colours and who wears what.
        seed: u64,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Pictures a second.
        fps: f64,
    },
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// GStreamer cannot be used at all.
    #[error("cannot start GStreamer")]
    Gstreamer(#[source] DecodeError),
    /// A clip cannot be played.
    #[error("cannot serve the clip {}: {detail}", path.display())]
    Clip {
        /// Which.
        path: PathBuf,
        /// What GStreamer or the file system says.
        detail: String,
    },
    /// No encoder is installed that could code pictures.
    #[error("cannot serve {path}: none of the GStreamer elements x264enc and openh264enc is installed")]
    NoEncoder {
        /// The mount.
        path: String,
    },
    /// The port is taken, or may not be opened.
    #[error("cannot listen at {address}:{port}: {detail}")]
    Listen {
        /// The address of the settings.
        address: String,
        /// The port of the settings.
        port: u16,
        /// What GStreamer says.
        detail: String,
    },
    /// The machine refuses another thread.
    #[error("cannot start the server's thread")]
    Thread(#[source] std::io::Error),
}

/// A running server; dropping it ends all its streams.
#[derive(Debug)]
pub struct RtspServer {
    server: rtsp::RTSPServer,
    main_loop: glib::MainLoop,
    context: glib::MainContext,
    thread: Option<JoinHandle<()>>,
    feeders: Option<Shutdown>,
    address: String,
    port: u16,
    paths: Vec<String>,
}

impl RtspServer {
    /// Reads the clips, listens and serves on a thread of its own.
    ///
    /// # Errors
    /// When a clip cannot be read, an encoder is missing or the port cannot be opened.
    pub fn start(settings: Settings) -> Result<Self, ServeError> {
        crate::decode::init().map_err(ServeError::Gstreamer)?;
        let (shutdown, stopping) = Shutdown::new();
        let server = rtsp::RTSPServer::new();
        server.set_address(&settings.address);
        server.set_service(&settings.port.to_string());
        if let Some(login) = &settings.login {
            server.set_auth(Some(&authentication(login)));
        }
        let mounts = rtsp::RTSPMountPoints::new();
        for mount in &settings.mounts {
            let factory = factory(mount, &stopping)?;
            if settings.login.is_some() {
                factory.add_role_from_structure(&role());
            }
            mounts.add_factory(&mount.path, factory);
        }
        server.set_mount_points(Some(&mounts));
        server.connect_client_connected(|_, client| {
            client.connect_new_session(|_, session| session.set_timeout(SESSION_SECONDS));
        });
        Self::listen(settings, server, shutdown)
    }

    /// Where the first mount is to be found, without the login.
    pub fn url(&self) -> String {
        self.url_of(self.paths.first().map_or("/", String::as_str))
    }

    /// Where the mount with this path is to be found, without the login.
    pub fn url_of(&self, path: &str) -> String {
        format!("rtsp://{}:{}{path}", self.address, self.port)
    }

    /// The TCP port that is listened at.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn listen(settings: Settings, server: rtsp::RTSPServer, shutdown: Shutdown) -> Result<Self, ServeError> {
        let Settings { address, port, mounts, .. } = settings;
        let context = glib::MainContext::new();
        let attached = server.attach(Some(&context));
        let bound = u16::try_from(server.bound_port()).ok().filter(|bound| *bound > 0);
        let port = match (attached, bound) {
            (Ok(_), Some(bound)) => bound,
            (Err(error), _) => return Err(ServeError::Listen { address, port, detail: error.to_string() }),
            (Ok(_), None) => return Err(ServeError::Listen { address, port, detail: "no port was bound".to_owned() }),
        };
        expire_sessions(&server, &context);
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let thread = threads::spawn("rtsp-server", {
            let (context, main_loop) = (context.clone(), main_loop.clone());
            // An error means that another thread owns the context, and this is the only one that knows it.
            move || drop(context.with_thread_default(|| main_loop.run()))
        });
        let thread = Some(thread.map_err(ServeError::Thread)?);
        let paths = mounts.into_iter().map(|mount| mount.path).collect();
        Ok(Self { server, main_loop, context, thread, feeders: Some(shutdown), address, port, paths })
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        drop(self.feeders.take());
        let (server, main_loop) = (self.server.clone(), self.main_loop.clone());
        // On the server's own thread, so that quitting cannot come before the loop has begun.
        self.context.invoke(move || {
            server.client_filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
            main_loop.quit();
        });
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Ends the sessions of clients that are gone without a word, which GStreamer leaves to its users.
///
/// One on TCP that no longer takes anything holds up the medium once its buffers are full, and with it everybody who comes later.
fn expire_sessions(server: &rtsp::RTSPServer, context: &glib::MainContext) {
    let Some(pool) = server.session_pool() else { return };
    let watch = pool.create_watch(Some("expired sessions"), glib::Priority::DEFAULT, |pool| {
        pool.cleanup();
        glib::ControlFlow::Continue
    });
    watch.attach(Some(context));
}

fn role() -> gstreamer::Structure {
    gstreamer::Structure::builder(ROLE)
        .field("media.factory.access", true)
        .field("media.factory.construct", true)
        .build()
}

fn authentication(login: &Login) -> rtsp::RTSPAuth {
    let auth = rtsp::RTSPAuth::new();
    let token = rtsp::RTSPToken::builder().field(rtsp::RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE).build();
    if login.digest {
        auth.set_supported_methods(RTSPAuthMethod::Digest);
        auth.add_digest(&login.user, login.password.expose(), &token);
    } else {
        auth.set_supported_methods(RTSPAuthMethod::Basic);
        auth.add_basic(&rtsp::RTSPAuth::make_basic(&login.user, login.password.expose()), &token);
    }
    auth
}

/// What builds the medium of a mount whenever somebody comes to watch.
fn factory(mount: &Mount, stopping: &Stopping) -> Result<rtsp::RTSPMediaFactory, ServeError> {
    let (reel, caps, chain) = reel(mount)?;
    let factory = rtsp::RTSPMediaFactory::new();
    factory.set_launch(&format!("( appsrc name=source is-live=true format=time max-bytes=8388608 ! {chain} )"));
    factory.set_shared(true);
    factory.set_latency(0);
    let stopping = stopping.clone();
    factory.connect_media_configure(move |_, media| {
        let source = media.element().downcast::<gstreamer::Bin>().ok().and_then(|bin| bin.by_name("source"));
        let Some(source) = source.and_then(|source| source.downcast::<AppSrc>().ok()) else { return };
        source.set_caps(Some(&caps));
        // When nobody plays what was asked for, the oldest pictures make room for the newest.
        source.set_property_from_str("leaky-type", "downstream");
        let (reel, stopping) = (reel.clone(), stopping.clone());
        if let Err(error) = threads::spawn("rtsp-feed", move || feed::run(&reel, source, &stopping)) {
            tracing::error!(%error, "cannot feed a stream");
        }
    });
    Ok(factory)
}

/// What a mount plays, the caps of that, and the elements from there to the payloader.
fn reel(mount: &Mount) -> Result<(Reel, gstreamer::Caps, String), ServeError> {
    match &mount.source {
        Source::Clip(path) => {
            let clip = packets::read(path)?;
            let chain = match clip.media_type() {
                "video/x-h264" => "h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1".to_owned(),
                "video/x-h265" => "h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1".to_owned(),
                _ => format!("decodebin ! videoconvert ! {}", encoder(&mount.path, 10.0)?),
            };
            let caps = clip.caps.clone();
            Ok((Reel::Clip(Arc::new(clip)), caps, chain))
        }
        Source::Street { seed, width, height, fps } => {
            let street = Street::new(*seed, *width, *height, *fps);
            let (width, height) = street.size();
            let caps = gstreamer_video::VideoInfo::builder(gstreamer_video::VideoFormat::I420, width, height)
                .fps(gstreamer::Fraction::approximate_f64(street.fps()).unwrap_or(gstreamer::Fraction::new(10, 1)))
                .build()
                .and_then(|info| info.to_caps());
            let caps = caps.map_err(|_| ServeError::NoEncoder { path: mount.path.clone() })?;
            let chain = encoder(&mount.path, street.fps())?;
            Ok((Reel::Street(Arc::new(street)), caps, chain))
        }
    }
}

/// An H.264 encoder without delay and with a keyframe every two seconds, and the payloader.
fn encoder(path: &str, fps: f64) -> Result<String, ServeError> {
    let keyframe = (fps * 2.0).round().max(1.0);
    let exists = |name: &str| gstreamer::ElementFactory::find(name).is_some();
    let encoder = if exists("x264enc") {
        format!("x264enc tune=zerolatency speed-preset=superfast threads=1 bitrate=1600 key-int-max={keyframe}")
    } else if exists("openh264enc") {
        format!("openh264enc complexity=low bitrate=1600000 gop-size={keyframe}")
    } else {
        return Err(ServeError::NoEncoder { path: path.to_owned() });
    };
    Ok(format!("{encoder} ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1"))
}
