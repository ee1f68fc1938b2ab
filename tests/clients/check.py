"""Asks a server through Triton's own client and plain HTTP, and compares every answer with ONNX Runtime in this process.

check.py URL FOLDER: FOLDER holds the models as the server has them, <name>/<version>/model.onnx.
"""

import asyncio
import base64
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import requests
import tritonclient.http as triton
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from tritonclient.utils import InferenceServerException

TOLERANCE = 1e-5


def session(folder, name):
    path = folder / name / "1" / "model.onnx"
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def example(metadata, rows, rng):
    """A tensor for each input that the metadata tells."""
    tensors = {}
    for told in metadata["inputs"]:
        sides = told["shape"]
        shape = [rows if at == 0 and side < 0 else max(side, 1) for at, side in enumerate(sides)]
        kind = told["datatype"]
        if kind == "BYTES":
            tensors[told["name"]] = np.array([f"text {n} \u00e4".encode() for n in range(np.prod(shape))], dtype=object).reshape(shape)
        elif kind.startswith("FP"):
            width = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}[kind]
            tensors[told["name"]] = rng.random(shape).astype(width)
        else:
            tensors[told["name"]] = rng.integers(0, 100, shape).astype(kind.lower())
    return tensors


def expected(model, tensors):
    fed = {name: np.vectorize(bytes.decode, otypes=[object])(t) if t.dtype == object else t for name, t in tensors.items()}
    return dict(zip([o.name for o in model.get_outputs()], model.run(None, fed)))


def compare(name, way, found, wanted):
    if wanted.dtype == object:
        texts = [t.decode() if isinstance(t, bytes) else t for t in found.flatten()]
        assert texts == list(wanted.flatten()), f"{name} {way}: {texts}"
        return
    assert found.shape == wanted.shape and found.dtype == wanted.dtype, f"{name} {way}: {found.shape} {found.dtype}"
    scale = max(1.0, float(np.abs(wanted.astype(np.float64)).max(initial=0)))
    worst = float(np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max(initial=0)) / scale
    assert worst <= TOLERANCE, f"{name} {way}: differs by {worst}"


def inputs_of(tensors, metadata, binary):
    kinds = {told["name"]: told["datatype"] for told in metadata["inputs"]}
    made = []
    for name, tensor in tensors.items():
        one = triton.InferInput(name, list(tensor.shape), kinds[name])
        one.set_data_from_numpy(tensor, binary_data=binary)
        made.append(one)
    return made


def check_model(client, folder, name):
    rng = np.random.default_rng(7)
    metadata = client.get_model_metadata(name)
    config = client.get_model_config(name)
    assert metadata["name"] == config["name"] == name
    assert client.is_model_ready(name) and client.is_model_ready(name, "1")
    model = session(folder, name)
    for rows in (1, 3) if metadata["inputs"][0]["shape"][0] < 0 else (1,):
        tensors = example(metadata, rows, rng)
        wanted = expected(model, tensors)
        plain = inputs_of(tensors, metadata, True)
        ways = {
            "binary": client.infer(name, plain),
            "version": client.infer(name, plain, model_version="1", request_id="42"),
            "gzip": client.infer(name, plain, request_compression_algorithm="gzip", response_compression_algorithm="gzip"),
            "deflate": client.infer(
                name, plain, request_compression_algorithm="deflate", response_compression_algorithm="deflate"
            ),
            "binary outputs": client.infer(
                name, plain, outputs=[triton.InferRequestedOutput(o, binary_data=True) for o in wanted]
            ),
        }
        # Triton's client itself has no JSON for halves.
        if not any(t.dtype == np.float16 for t in tensors.values()):
            ways["json"] = client.infer(
                name,
                inputs_of(tensors, metadata, False),
                outputs=[triton.InferRequestedOutput(o, binary_data=False) for o in wanted],
            )
        assert ways["version"].get_response()["id"] == "42"
        for way, answer in ways.items():
            for output, tensor in wanted.items():
                compare(name, way, answer.as_numpy(output), tensor)
    print(f"{name}: as ONNX Runtime, {len(ways)} ways")


def check_tensorflow(url, folder):
    model = session(folder, "doubled")
    rows = np.random.default_rng(1).random((5, 4)).astype(np.float32)
    (wanted,) = model.run(None, {"x": rows})
    answer = requests.post(f"{url}/v1/models/doubled:predict", json={"instances": rows.tolist()}, timeout=30)
    compare("doubled", "rows", np.array(answer.json()["predictions"], np.float32), wanted)
    answer = requests.post(f"{url}/v1/models/doubled/versions/1:predict", json={"inputs": {"x": rows.tolist()}}, timeout=30)
    compare("doubled", "columns", np.array(answer.json()["outputs"], np.float32), wanted)
    text = {"instances": [[{"b64": base64.b64encode(b"a").decode()}, "b"]]}
    answer = requests.post(f"{url}/v1/models/text:predict", json=text, timeout=30)
    assert answer.json() == {"predictions": [["a", "b"]]}, answer.text
    print("TensorFlow Serving's rows, columns and base64")


def check_server(client):
    assert client.is_server_live() and client.is_server_ready()
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    index = client.get_model_repository_index()
    assert all(line["state"] == "READY" for line in index), index
    client.unload_model("half")
    assert not client.is_model_ready("half")
    client.load_model("half")
    assert client.is_model_ready("half")
    content = (FOLDER / "doubled" / "1" / "model.onnx").read_bytes()
    client.load_model("brought", config="{}", files={"file:1/model.onnx": content})
    assert client.is_model_ready("brought")
    client.unload_model("brought")
    statistics = client.get_inference_statistics("simple")["model_stats"][0]
    assert statistics["inference_stats"]["success"]["count"] > 0, statistics
    for ask in (lambda: client.get_model_metadata("nobody"), lambda: client.load_model("nobody")):
        try:
            ask()
        except InferenceServerException as error:
            assert "unknown model" in error.message(), error
        else:
            raise AssertionError("a model that is not there was found")
    print("health, repository, statistics, refusals")


def check_many(url, folder):
    """Sixteen clients at once, each with its own numbers."""
    model = session(folder, "doubled")

    def ask(seed):
        client = triton.InferenceServerClient(url.removeprefix("http://"))
        rng = np.random.default_rng(seed)
        for _ in range(20):
            tensor = rng.random((int(rng.integers(1, 4)), 4)).astype(np.float32)
            one = triton.InferInput("x", list(tensor.shape), "FP32")
            one.set_data_from_numpy(tensor)
            (wanted,) = model.run(None, {"x": tensor})
            compare("doubled", "many", client.infer("doubled", [one]).as_numpy("y"), wanted)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))
    print("sixteen clients at once")


async def ask_as_kserve(url, folder):
    """KServe's client, in both protocols."""
    tensor = np.random.default_rng(3).random((2, 4)).astype(np.float32)
    (wanted,) = session(folder, "doubled").run(None, {"x": tensor})
    v2 = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    assert await v2.is_server_live(url) and await v2.is_server_ready(url) and await v2.is_model_ready(url, "doubled")
    for binary in (False, True):
        one = InferInput("x", list(tensor.shape), "FP32")
        one.set_data_from_numpy(tensor, binary_data=binary)
        answer = await v2.infer(url, InferRequest("doubled", [one]), model_name="doubled")
        compare("doubled", "kserve v2", answer.outputs[0].as_numpy(), wanted)
    v1 = InferenceRESTClient(RESTConfig(protocol="v1", timeout=60))
    assert await v1.is_server_live(url) and await v1.is_model_ready(url, "doubled")
    answer = await v1.infer(url, {"instances": tensor.tolist()}, model_name="doubled")
    compare("doubled", "kserve v1", np.array(answer["predictions"], np.float32), wanted)
    print("KServe's client, both protocols")


URL, FOLDER = sys.argv[1], Path(sys.argv[2])
CLIENT = triton.InferenceServerClient(URL.removeprefix("http://"), concurrency=4, network_timeout=120, connection_timeout=120)
for folder in sorted(FOLDER.iterdir()):
    check_model(CLIENT, FOLDER, folder.name)
check_tensorflow(URL, FOLDER)
check_server(CLIENT)
check_many(URL, FOLDER)
asyncio.run(ask_as_kserve(URL, FOLDER))
