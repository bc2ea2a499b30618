//! The other side: a running `tests/hpa-oracle`.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;

use testbed::tools::HpaOracle;

use crate::answer::Answer;
use crate::case::Case;

/// How many cases may be on their way at once.
const AHEAD: usize = 64;

/// A process that answers cases in the order in which it is asked.
pub(crate) struct Oracle {
    process: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Oracle {
    /// Builds the oracle if needed, and starts it.
    pub(crate) fn start() -> Self {
        let program = HpaOracle::ensure().expect("the oracle builds").program();
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let to = BufWriter::new(process.stdin.take().expect("a pipe"));
        let from = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, to, from }
    }

    /// One case.
    pub(crate) fn ask(&mut self, case: &Case) -> Vec<Answer> {
        send(&mut self.to, case);
        self.to.flush().expect("the oracle listens");
        receive(&mut self.from)
    }

    /// Many cases, made while earlier ones are being answered. `each` gets what was made with its answers, in order.
    pub(crate) fn ask_all<T: Send>(
        &mut self,
        cases: impl Iterator<Item = (Case, T)> + Send,
        mut each: impl FnMut(Case, T, Vec<Answer>),
    ) {
        let Self { to, from, .. } = self;
        thread::scope(|scope| {
            let (asked, to_be_answered) = sync_channel(AHEAD);
            scope.spawn(move || {
                for (case, with) in cases {
                    send(to, &case);
                    to.flush().expect("the oracle listens");
                    if asked.send((case, with)).is_err() {
                        return;
                    }
                }
            });
            for (case, with) in to_be_answered {
                each(case, with, receive(from));
            }
        });
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn send(to: &mut BufWriter<ChildStdin>, case: &Case) {
    serde_json::to_writer(&mut *to, case).expect("the oracle listens");
    to.write_all(b"\n").expect("the oracle listens");
}

fn receive(from: &mut BufReader<ChildStdout>) -> Vec<Answer> {
    let mut line = String::new();
    from.read_line(&mut line).expect("the oracle answers");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in the oracle's answer {line:?}"))
}
