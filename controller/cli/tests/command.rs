//! The binaries, as a shell starts them.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used)]

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

const PLIMSOLL: &str = env!("CARGO_BIN_EXE_plimsoll");
const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-plimsoll");

fn run(binary: &str, words: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(binary);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing has ended before all was written.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_command_by_the_name_it_was_called_by() {
    for (binary, called) in [(PLIMSOLL, "plimsoll"), (PLUGIN, "kubectl plimsoll")] {
        let help = text(&run(binary, &["--help"], "").stdout);
        assert!(help.contains(&format!("Usage: {called} ")), "{help}");
        for command in ["explain", "replay", "convert", "diff", "version", "completions"] {
            assert!(help.contains(&format!("\n  {command} ")), "{command} is missing in {help}");
        }
    }
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&run(PLIMSOLL, &["completions", shell], "").stdout);
        assert!(script.contains("convert") && script.contains("plimsoll"), "{shell}");
    }
}

#[test]
fn a_pipe_of_manifests_is_converted_and_what_is_wrong_ends_with_1() {
    let hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  \
               scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n  maxReplicas: 3\n";
    let good = run(PLIMSOLL, &["convert", "-f", "-"], hpa);
    assert!(good.status.success(), "{}", text(&good.stderr));
    assert!(text(&good.stdout).contains("algorithm: HPA-1.37"));

    let bad = run(PLIMSOLL, &["convert", "-f", "-"], &hpa.replace("maxReplicas: 3", "maxReplicas: 0"));
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("error: stdin, document 1: spec.maxReplicas: must be at least 1"));
}

#[test]
fn errors_name_the_way_out() {
    let answer = run(PLIMSOLL, &["explain", "deployment", "web"], "");
    assert_eq!(answer.status.code(), Some(1));
    assert!(text(&answer.stderr).contains("`pod NAME`, `node NAME` or `pool NAME`"));

    let answer = run(PLIMSOLL, &["replay", "-f", "-"], "[]");
    assert_eq!(answer.status.code(), Some(1));
    assert!(text(&answer.stderr).contains("these are no decisions"), "{}", text(&answer.stderr));

    assert_eq!(run(PLIMSOLL, &["explian"], "").status.code(), Some(2));
}

/// Tried again, as a client does by itself, a follower would keep a person waiting for minutes.
#[test]
fn a_replica_that_does_not_lead_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let operator = format!("--operator=http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // Ends with the process.
    thread::spawn(move || {
        let refusal = "this replica does not lead";
        let length = refusal.len();
        for mut connection in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = connection.read(&mut [0; 4096]);
            let _ = write!(
                connection,
                "HTTP/1.1 503 x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{refusal}"
            );
        }
    });
    let answer = run(PLIMSOLL, &["replay", "web", "--namespace=shop", &operator], "");
    let told = text(&answer.stderr);
    assert_eq!(answer.status.code(), Some(1), "{told}");
    assert!(told.contains("the operator answers 503: this replica does not lead"), "{told}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
