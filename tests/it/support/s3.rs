//! A real S3 server (moto) on a free port, which looks at signatures, with a bucket; gone when dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use vedette::hub::blobs::S3 as Settings;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/s3.py");

/// A server with the bucket `packages`; ended when dropped.
pub struct S3 {
    pub port: u16,
    key_id: String,
    pub secret: String,
    folder: tempfile::TempDir,
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// Starts a server, or prints that the calling test is skipped. Blocks.
pub fn start() -> Option<S3> {
    let python = std::env::var_os("VEDETTE_CLIENTS_PYTHON").map(PathBuf::from).filter(|path| path.exists());
    let has_moto = |python: &PathBuf| {
        let asked = Command::new(python).args(["-c", "import moto.server"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let Some(python) = python.filter(has_moto) else {
        println!("SKIPPED: VEDETTE_CLIENTS_PYTHON names no Python with moto[server]; `make test-clients` makes one");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut command = Command::new(python);
    command.arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().unwrap();
    let input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let told = line(&mut output);
    let secret = told["secret"].as_str().unwrap().to_owned();
    std::fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
    let port = u16::try_from(told["port"].as_u64().unwrap()).unwrap();
    let key_id = told["key_id"].as_str().unwrap().to_owned();
    Some(S3 { port, key_id, secret, folder, child, talk: Mutex::new((input, output)) })
}

impl S3 {
    /// The settings of its bucket, under a prefix, reached through `port`.
    pub fn settings(&self, prefix: &str, port: u16) -> Settings {
        serde_json::from_value(serde_json::json!({
            "bucket": "packages",
            "prefix": prefix,
            "endpoint": format!("http://127.0.0.1:{port}"),
            "access_key_id": self.key_id,
            "secret_access_key_file": self.folder.path().join("secret"),
        }))
        .unwrap()
    }

    /// The same as a line of `hub.yaml`.
    pub fn lines(&self, prefix: &str, port: u16) -> String {
        let secret = self.folder.path().join("secret").display().to_string();
        format!(
            "blobs: {{ s3: {{ bucket: packages, prefix: {prefix}, endpoint: 'http://127.0.0.1:{port}', \
             access_key_id: {}, secret_access_key_file: '{secret}' }} }}\n",
            self.key_id
        )
    }

    /// The names of all objects.
    pub fn objects(&self) -> Vec<String> {
        serde_json::from_value(self.ask("objects")).unwrap()
    }

    /// The names of objects whose upload in parts has not ended.
    pub fn uploads(&self) -> Vec<String> {
        serde_json::from_value(self.ask("uploads")).unwrap()
    }

    /// Puts something else under a name.
    pub fn spoil(&self, key: &str) {
        assert_eq!(self.ask(&format!("spoil {key}")), true);
    }

    /// Begins an upload in parts, as a hub that is killed then; its id.
    pub fn begin(&self, key: &str) -> String {
        self.ask(&format!("begin {key}")).as_str().unwrap().to_owned()
    }

    fn ask(&self, question: &str) -> Value {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{question}").unwrap();
        line(&mut talk.1)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> Value {
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("the S3 server says {text:?}: {error}"))
}
