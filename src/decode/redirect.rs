//! A camera's server may send its client on to another place. Followed is only what stays on the same host, and encrypted
//! where it was: the password would go along, and the box must not speak to others for whoever has taken over a camera.
//!
//! rtspsrc follows by itself and cannot be told not to; it can be kept from sending anything there. What remains of such a
//! redirection is a connection that is opened and closed without a byte.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use url::Url;

use super::DecodeError;
use super::feed::Feed;
use super::flood::Guard;

/// Keeps `origin`, an rtspsrc for `own`, from sending requests anywhere else; tells `guard` where it does.
pub(super) fn stay_on_host(origin: &gst::Element, feed: &Arc<Feed>, own: &Url, guard: &Arc<Guard>) {
    let (feed, own, guard) = (feed.clone(), own.clone(), guard.clone());
    origin.connect("before-send", false, move |arguments| {
        let origin = arguments.first().and_then(|value| value.get::<gst::Element>().ok());
        let place = origin.and_then(|origin| origin.property::<Option<String>>("location"));
        let place = place.as_deref().map_or(Ok(own.clone()), |place| followed(&own, place));
        let is_followed = place.is_ok();
        match place {
            Ok(place) => guard.connected(&place),
            Err(detail) => feed.fail(DecodeError::Network { source_name: feed.source.to_string(), detail }),
        }
        Some(is_followed.to_value())
    });
}

/// Where a client of `own` goes that is sent to `place`, or why it does not.
fn followed(own: &Url, place: &str) -> Result<Url, String> {
    let place = Url::parse(place).map_err(|_| "it redirects to what is no URL".to_owned())?;
    let same = |a: Option<&str>, b: Option<&str>| a.zip(b).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    if !same(own.host_str(), place.host_str()) {
        let host: String = place.host_str().unwrap_or("no host").chars().take(100).collect();
        return Err(format!("it redirects to another host, {host:?}, which is not followed"));
    }
    // GStreamer writes the transport into the scheme: rtspt, rtspu and so on.
    let encrypted = |url: &Url| url.scheme().starts_with("rtsps");
    if encrypted(own) && !encrypted(&place) {
        return Err("it redirects to where nothing is encrypted".to_owned());
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_host_is_followed_and_never_out_of_an_encrypted_session() {
        let refused = |own: &str, place: &str| followed(&Url::parse(own).unwrap(), place).err();
        for place in ["rtsp://cam/other", "rtsp://CAM:8554/live?x=1", "rtsps://cam/live"] {
            assert_eq!(refused("rtsp://cam/live", place), None, "{place}");
        }
        for place in ["rtsp://127.0.0.1/live", "rtsp://cam.evil/live", "rtsp://[::1]:554/", "not a url"] {
            assert!(refused("rtsp://cam/live", place).is_some(), "{place}");
        }
        assert!(refused("rtsps://cam/live", "rtsp://cam/live").unwrap().contains("encrypted"));
        assert_eq!(refused("rtsps://cam/live", "rtsps://cam:322/live"), None);
    }
}
