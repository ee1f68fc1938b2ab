//! The element that stands where a decoder would: it hands what comes to the [`Session`] and says to parsers what the decoder
//! takes.

use std::path::PathBuf;
use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;

use super::super::feed::{Feed, lock};
use super::link::Start;
use super::protocol::Opening;
use super::session::{MEMORY, Session};
use crate::base::child::Program;

mod imp {
    use std::sync::{Mutex, OnceLock};

    use super::super::super::feed::lock;
    use super::{Session, gst};
    use gst::glib;
    use gst::prelude::*;
    use gst::subclass::prelude::*;

    #[derive(Default)]
    pub struct RemoteDecoder {
        source: OnceLock<gst::Pad>,
        pub(super) session: Mutex<Option<Session>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for RemoteDecoder {
        const NAME: &'static str = "VedetteRemoteDecoder";
        type Type = super::RemoteDecoder;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for RemoteDecoder {}

    impl GstObjectImpl for RemoteDecoder {}

    impl ElementImpl for RemoteDecoder {
        fn change_state(&self, change: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            let changed = self.parent_change_state(change);
            if change == gst::StateChange::PausedToReady {
                // The pads are at rest by now, so that nobody is decoding.
                lock(&self.session).iter_mut().for_each(Session::rest);
            }
            changed
        }
    }

    impl RemoteDecoder {
        /// Makes the pads, of which one takes packets of these forms: parsers ask what they are to give.
        pub(super) fn add_pads(&self, takes: &gst::Caps) -> Result<(), gst::glib::BoolError> {
            let (always, obj) = (gst::PadPresence::Always, self.obj());
            let template = gst::PadTemplate::new("sink", gst::PadDirection::Sink, always, takes)?;
            let sink = gst::Pad::builder_from_template(&template)
                .chain_function(|_, parent, buffer| {
                    let failed = || Err(gst::FlowError::Error);
                    Self::catch_panic_pad_function(parent, failed, |this| this.chain(&buffer))
                })
                .event_function(|pad, parent, event| {
                    Self::catch_panic_pad_function(parent, || false, |this| this.event(pad, event))
                })
                .build();
            let source = gst::Pad::builder(gst::PadDirection::Src).name("src").build();
            obj.add_pad(&sink)?;
            obj.add_pad(&source)?;
            // Made once, as the names are.
            let _ = self.source.set(source);
            Ok(())
        }

        fn chain(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            let source = self.source.get().ok_or(gst::FlowError::Error)?;
            lock(&self.session).as_mut().ok_or(gst::FlowError::Error)?.decode(source, buffer)
        }

        fn event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
            let with = |what: &dyn Fn(&mut Session) -> bool| lock(&self.session).as_mut().is_none_or(what);
            let forward = match event.view() {
                gst::EventView::Caps(caps) => with(&|session| session.set_caps(caps.caps())),
                // What is said before the pictures' own form would be in disorder.
                gst::EventView::Segment(_) => with(&|session| session.keep_segment(&event)),
                gst::EventView::Eos(_) => with(&|session| self.source.get().is_none_or(|source| session.drain(source))),
                gst::EventView::Tag(_) => false,
                // Not behind the lock: one that is to end a wait must not wait for it.
                _ => true,
            };
            if forward { gst::Pad::event_default(pad, Some(&*self.obj()), event) } else { true }
        }
    }
}

gst::glib::wrapper! {
    /// A decoder in a process of its own.
    pub struct RemoteDecoder(ObjectSubclass<imp::RemoteDecoder>) @extends gst::Element, gst::Object;
}

impl RemoteDecoder {
    /// Stands where an element of `decoder` would, which is in the plugin in `plugin` and which a process of `program` has. The
    /// process is started at once.
    pub(in super::super) fn new(
        program: &Program,
        decoder: &gst::ElementFactory,
        plugin: PathBuf,
        threads: u32,
        feed: &Arc<Feed>,
    ) -> Self {
        let this: Self = gst::glib::Object::new();
        let templates = decoder.static_pad_templates();
        let takes = templates.iter().find(|pad| pad.direction() == gst::PadDirection::Sink);
        let takes = takes.map_or_else(gst::Caps::new_any, |template| template.caps());
        if let Err(error) = this.imp().add_pads(&takes) {
            tracing::error!(%error, "a decoder of another process has no pads");
        }
        let opening = Opening { plugin, decoder: decoder.name().to_string(), threads, memory: MEMORY };
        let session = Session::new(Start { program: program.clone(), opening }, feed.clone());
        *lock(&this.imp().session) = Some(session);
        this
    }

    /// The number of the process, while there is one.
    #[cfg(test)]
    pub(super) fn process(&self) -> Option<u32> {
        lock(&self.imp().session).as_ref()?.process()
    }
}
