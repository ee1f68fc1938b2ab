//! Models in processes of their own: with the real library and real processes, which are these tests again, and with other
//! ends that lie.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use rustix::process::{Pid, Signal, kill_process};

use super::super::input::Inputs;
use super::super::source::Source;
use super::super::{
    Detector, InputSpec, LibrarySearch, Provider, ProviderChoice, Settings, runtime, self_test_picture,
};
use super::link::{Link, LinkError, Start};
use super::protocol::{Kind, LENGTHS, Lengths, MOST_NUMBERS, Opening};
use super::remote::opening;
use super::{Isolation, Remote, serve};
use crate::base::channel::{Channel, ChannelError, Head};
use crate::base::child::Program;
use crate::base::clock::{Clock, SystemClock};
use crate::model::bundled;
use crate::vocab::{Detection, Id};

/// By which these tests know that they are to be the other end.
const OTHER_END: &str = "--skip=nothing-but-the-other-end";

/// These tests again, as the process of a model.
fn program() -> Program {
    let name = module_path!().split_once("::").unwrap().1;
    Program::own(&[&format!("{name}::the_other_end"), "--exact", OTHER_END])
}

/// No test, but what the tests below start.
#[test]
fn the_other_end() {
    if std::env::args().any(|argument| argument == OTHER_END) {
        std::process::exit(i32::from(serve().is_err()));
    }
}

/// Loads ONNX Runtime, or says that the test is skipped.
fn load() -> bool {
    let library = std::env::var_os("VEDETTE_ORT").map(PathBuf::from).filter(|path| path.exists());
    if library.is_none() {
        println!("SKIPPED: VEDETTE_ORT names no library");
        return false;
    }
    runtime::load(&LibrarySearch { from_env: library, ..LibrarySearch::default() }).unwrap();
    true
}

fn open(isolation: Isolation) -> Detector {
    let settings = Settings {
        provider: ProviderChoice::One(Provider::Cpu),
        threshold: 0.05,
        isolation,
        ..Settings::new(Id::new("test").unwrap(), bundled::DETECTOR)
    };
    Detector::open(&settings, SystemClock::shared()).unwrap()
}

fn look(detector: &mut Detector) -> Result<Vec<Detection>, String> {
    let mut found = Vec::new();
    let looked = detector.detect_picture(&self_test_picture(), &mut found);
    looked.map(|_| found).map_err(|error| error.to_string())
}

fn signal(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(process).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_model_in_a_process_of_its_own_sees_the_same() {
    if !load() {
        return;
    }
    let (mut here, mut apart) = (open(Isolation::None), open(Isolation::Process(program())));
    assert_eq!((here.process(), here.restarts(), apart.restarts()), (None, 0, 0));
    assert_ne!(apart.process().unwrap(), std::process::id());
    let raw = here.raw_outputs(&self_test_picture()).unwrap();
    assert!(raw.iter().any(|output| output.data.iter().any(|value| *value != 0.0)));
    assert_eq!(apart.raw_outputs(&self_test_picture()).unwrap(), raw);
    assert_eq!(look(&mut apart).unwrap(), look(&mut here).unwrap());
    assert_eq!(apart.golden().map(|report| report.pictures.len()), here.golden().map(|report| report.pictures.len()));
}

#[test]
fn a_process_that_is_killed_in_a_look_costs_that_look_and_another_is_started() {
    if !load() {
        return;
    }
    let mut detector = open(Isolation::Process(program()));
    let before = look(&mut detector).unwrap();
    let first = detector.process().unwrap();
    // Stopped, it cannot answer before it is killed.
    signal(first, Signal::STOP);
    let killer = thread::spawn(move || signal(first, Signal::KILL));
    let error = look(&mut detector).unwrap_err();
    killer.join().unwrap();
    assert!(error.contains("the model's process failed") && error.contains("SIGKILL"), "{error}");
    let began = SystemClock.mono();
    let mut refused = 0;
    while detector.process().is_none() {
        refused += u32::from(look(&mut detector).is_err_and(|error| error.contains("being started again")));
        thread::yield_now();
    }
    println!("{refused} looks were refused in {:?} until the model ran again", SystemClock.mono() - began);
    assert_ne!(detector.process().unwrap(), first);
    assert_eq!((look(&mut detector).unwrap(), detector.restarts()), (before, 1));
}

#[test]
fn a_process_goes_with_its_detector_and_has_given_up_what_it_does_not_need() {
    if !load() {
        return;
    }
    let detector = open(Isolation::Process(program()));
    let process = detector.process().unwrap();
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}"));
    let limits = read("limits").unwrap();
    let limit = |name: &str| -> Vec<String> {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().take(2).map(str::to_owned).collect()
    };
    assert_eq!(limit("Max open files"), ["0", "0"]);
    let status = read("status").unwrap();
    // A filter of system calls.
    assert!(status.contains("\nSeccomp:\t2\n") && status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    let data = limit("Max data size");
    assert!(data[0] == data[1] && data[0].parse::<u64>().unwrap() < 2 << 30, "{data:?}");
    let memory = read("smaps_rollup").unwrap();
    let lines = memory.lines().filter(|line| ["Rss:", "Pss:", "Pss_Anon:"].iter().any(|name| line.starts_with(name)));
    println!("memory of the process: {:?}", lines.collect::<Vec<_>>());
    let environment = read("environ").unwrap();
    let names: Vec<&str> = environment.split('\0').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
    // glibc before 2.38 cuts its list into parts where it lies, so that the second looks like a variable.
    let allocator = ["GLIBC_TUNABLES", "glibc.malloc.hugetlb"];
    let known = ["ORT_DISABLE_TELEMETRY", "G_SLICE", "GST_REGISTRY_DISABLE", "LD_LIBRARY_PATH"];
    let known = [&allocator[..], &known[..]].concat();
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    drop(detector);
    assert!(read("limits").is_err(), "the process has outlived its detector");
}

/// What it takes to start the bundled detector with `program`, in a process with at most `memory` bytes.
fn start(program: Program, memory: u64) -> (Start, InputSpec) {
    let settings = Settings::new(Id::new("test").unwrap(), bundled::DETECTOR);
    let source = Source::read(&settings, &SystemClock).unwrap();
    let file = source.file(Provider::Cpu).unwrap();
    let picture = Inputs::of(&file.facts, None).unwrap().picture;
    let opening = opening(&file.bytes, &settings, Provider::Cpu, &picture);
    let model = file.bytes.as_slice().into();
    (Start { program, opening: Opening { memory: Some(memory), ..opening }, model }, picture)
}

#[test]
fn a_model_that_needs_more_memory_than_its_process_may_have_does_not_open_and_says_so() {
    if !load() {
        return;
    }
    let (start, picture) = start(program(), 4 << 20);
    let refused = Remote::start(start, &picture).err().unwrap();
    println!("{refused}");
    assert!(refused.contains("the model's process failed") || refused.to_lowercase().contains("alloc"), "{refused}");
}

#[test]
fn a_program_that_is_no_model_s_process_is_refused_with_how_it_ended() {
    let own = Program { file: "/bin/sh".into(), arguments: vec!["-c".into(), "exit 7".into()] };
    let (start, picture) = start(own, 1 << 30);
    let refused = Remote::start(start, &picture).err().unwrap();
    assert!(refused.contains("the model's process failed") && refused.contains("exit status: 7"), "{refused}");
    let (start, picture) = self::start(Program { file: "/nowhere".into(), arguments: Vec::new() }, 1 << 30);
    assert!(Remote::start(start, &picture).err().unwrap().contains("no process for the model"));
}

#[test]
fn a_process_that_cannot_be_started_again_is_tried_again_and_counted() {
    if !load() {
        return;
    }
    let (start, picture) = start(program(), 1 << 30);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("program");
    std::os::unix::fs::symlink("/proc/self/exe", &file).unwrap();
    let program = Program { file: file.clone(), ..start.program.clone() };
    let mut remote = Remote::start(Start { program, ..start }, &picture).unwrap();
    std::fs::remove_file(&file).unwrap();
    signal(remote.process().unwrap(), Signal::KILL);
    assert!(remote.run(|_| ()).unwrap_err().contains("the model's process failed"));
    assert!(remote.await_start().unwrap_err().contains("no process for the model"));
    assert_eq!((remote.process(), remote.restarts()), (None, 2));
    std::os::unix::fs::symlink("/proc/self/exe", &file).unwrap();
    remote.await_start().unwrap();
    assert_eq!(remote.run(|outputs| outputs.len()).unwrap(), remote.ports().len());
}

/// What is made of `answer` to a look, with an end that sends nothing more, and the room that was made for it.
fn answered(answer: &[u8]) -> (Result<usize, LinkError>, usize) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(answer).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    let mut outputs = vec![Vec::new(); 32];
    let mut link = Link::new(None, Channel::new(ours));
    let result = link.look(&[0; 12], &mut outputs, SystemClock.mono() + Duration::from_secs(60));
    (result, outputs.iter().map(Vec::capacity).sum())
}

fn message(kind: Kind, length: u64, content: &[u8]) -> Vec<u8> {
    [Head { kind: kind as u8, length }.encode().as_slice(), content].concat()
}

#[test]
fn an_answer_that_lies_is_refused_and_no_room_is_made_for_it() {
    let table = |lengths: &[usize]| Lengths::of(lengths.iter().copied()).unwrap().encode();
    let most = (LENGTHS + 4 * MOST_NUMBERS) as u64;
    for (what, answer) in [
        ("rubbish", vec![0x90; 4096]),
        ("nothing", Vec::new()),
        ("another kind", message(Kind::Ready, 2, b"{}")),
        ("a reason without end", message(Kind::Failed, u64::MAX, &[b'a'; 4096])),
        ("more than is ever read", message(Kind::Outputs, most + 1, &table(&[MOST_NUMBERS]))),
        ("less than a table", message(Kind::Outputs, 3, b"abc")),
        ("lengths that do not add up", message(Kind::Outputs, most, &table(&[1, 2]))),
        ("lengths beyond the count", {
            let mut bytes = table(&[1]);
            bytes[..4].fill(0);
            message(Kind::Outputs, LENGTHS as u64 + 4, &bytes)
        }),
    ] {
        let (result, room) = answered(&answer);
        assert!(matches!(result, Err(LinkError::Channel(_) | LinkError::Protocol(_))), "{what}: {result:?}");
        assert_eq!(room, 0, "{what}");
    }
    let cut = message(Kind::Outputs, LENGTHS as u64 + 40, &[table(&[10]).as_slice(), &[0; 39]].concat());
    assert!(matches!(answered(&cut).0, Err(LinkError::Channel(ChannelError::Closed))));
    let whole = message(Kind::Outputs, LENGTHS as u64 + 40, &[table(&[4, 6]).as_slice(), &[0; 40]].concat());
    assert_eq!(answered(&whole).0.unwrap(), 2);
    let failed = answered(&message(Kind::Failed, 9, b"no\nmemory")).0.unwrap_err();
    assert!(matches!(&failed, LinkError::Refused(reason) if reason == "no memory"), "{failed:?}");
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_longer_than_it_may_take() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&Head { kind: Kind::Outputs as u8, length: LENGTHS as u64 }.encode()).unwrap();
    let mut link = Link::new(None, Channel::new(ours));
    let result = link.look(&[0; 12], &mut [], SystemClock.mono() + Duration::from_millis(50));
    assert!(matches!(result, Err(LinkError::Channel(ChannelError::Late))), "{result:?}");
}

proptest! {
    /// Whatever a process that was taken over sends, it is an answer or a fault, and takes no more room than it is long.
    #[test]
    fn any_answer_is_read_or_refused(
        kind in 0u8..9, length in prop_oneof![0u64..2000, any::<u64>()],
        content in proptest::collection::vec(any::<u8>(), 0..2000), counts in proptest::option::of(0u32..40),
    ) {
        let mut content = content;
        // Most lengths that are drawn are impossible; small ones are more instructive.
        if let (Some(count), true) = (counts, content.len() >= LENGTHS) {
            content[..LENGTHS].fill(0);
            content[..4].copy_from_slice(&count.to_le_bytes());
            let numbers = (content.len() - LENGTHS) / 4;
            content[4..8].copy_from_slice(&(numbers as u32).to_le_bytes());
        }
        let bytes = [Head { kind, length }.encode().as_slice(), &content].concat();
        let (result, room) = answered(&bytes);
        prop_assert!(room <= content.len() || result.is_err());
    }
}
