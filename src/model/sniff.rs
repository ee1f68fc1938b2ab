//! Says what a file is when it is not an ONNX model, so that the error can name the usual mistakes.

/// What `bytes` look like, as a phrase that continues "found …".
pub(super) fn describe(bytes: &[u8]) -> &'static str {
    let starts = |prefix: &[u8]| bytes.starts_with(prefix);
    match bytes {
        [] => "an empty file",
        _ if starts(b"version https://git-lfs") => "a Git LFS pointer; fetch the real file with `git lfs pull`",
        _ if starts(b"PK\x03\x04") => "a ZIP archive, such as a PyTorch checkpoint; export it to ONNX first",
        _ if starts(b"\x80\x02") || starts(b"\x80\x03") || starts(b"\x80\x04") => {
            "a Python pickle, such as a PyTorch checkpoint; export it to ONNX first"
        }
        _ if starts(b"\x89HDF") => "an HDF5 file, such as a Keras model; convert it to ONNX first",
        _ if bytes.get(4..8) == Some(b"TFL3") => "a TensorFlow Lite model; convert it to ONNX first",
        _ if bytes.get(4..8) == Some(b"ORTM") => "a model in ORT format; use the ONNX file it was made from",
        _ if starts(b"RKNN") => "an RKNN model; ONNX Runtime cannot run it",
        _ if starts(b"ptrt") || starts(b"ftrt") => "a TensorRT engine; use the ONNX file it was built from",
        _ if starts(b"7767517") => "an ncnn parameter file; use the ONNX file it was made from",
        _ if starts(b"<?xml") || starts(b"<net") => "an XML file, such as an OpenVINO model; use the ONNX file instead",
        _ if is_html(bytes) => "a web page; the download did not give the model",
        _ if starts(b"\x1f\x8b") => "a gzip archive; unpack it first",
        _ if starts(b"\x28\xb5\x2f\xfd") => "a zstd archive; unpack it first",
        _ if starts(b"\xff\xd8\xff") || starts(b"\x89PNG") => "a picture",
        _ if starts(b"\x7fELF") => "a program or shared library",
        _ if looks_like_text(bytes) => "a text file",
        _ => "bytes of no known kind",
    }
}

fn is_html(bytes: &[u8]) -> bool {
    let head = bytes.get(..64.min(bytes.len())).unwrap_or_default().to_ascii_lowercase();
    let text = head.trim_ascii_start();
    text.starts_with(b"<!doctype html") || text.starts_with(b"<html")
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(256)];
    head.iter().all(|&b| b == b'\n' || b == b'\r' || b == b'\t' || (0x20..0x7f).contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_mistakes_are_named() {
        assert_eq!(describe(b""), "an empty file");
        assert!(describe(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        assert!(describe(b"PK\x03\x04....").contains("PyTorch"));
        assert!(describe(b"\n<!DOCTYPE html><html>").contains("web page"));
        assert!(describe(b"\x1c\0\0\0TFL3").contains("TensorFlow Lite"));
        assert_eq!(describe(b"hello\n"), "a text file");
        assert_eq!(describe(&[1, 2, 3]), "bytes of no known kind");
    }
}
