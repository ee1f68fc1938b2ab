//! RTSP, files and the rendered street, all made into frames: the only room where GStreamer is named.

pub mod serve;
pub mod street;
