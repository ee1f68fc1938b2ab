//! Real model files taken apart and put together again.

use vedette::model::proto::ModelProto;

use crate::support::data;

#[test]
fn a_real_model_survives_being_taken_apart_with_every_field() {
    let names = [
        "models/detect/yolox_nano_416.onnx",
        "models/detect/fastestdet_352.onnx",
        "models/detect/nanodet_m_416.onnx",
        "models/face/ultraface_version-RFB-320.onnx",
        "models/face/face_detection_yunet_2026may.onnx",
        "models/face/mobilefacenet.onnx",
        "models/reid/osnet_x0_25_msmt17.onnx",
    ];
    for path in names.iter().filter_map(|name| data::find(name)) {
        let bytes = std::fs::read(&path).unwrap();
        let model = ModelProto::parse(&bytes).unwrap();
        let again = model.to_bytes();
        assert_eq!(ModelProto::parse(&again).unwrap(), model, "{}", path.display());
        // Exporters write the fields of a message in other orders, but there are as many bytes of them.
        assert_eq!(again.len(), bytes.len(), "{}", path.display());
    }
}
