//! A program that answers one line of JSON with another: the side of Kubernetes in a comparison.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::marker::PhantomData;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many cases may be on their way at once.
const AHEAD: usize = 64;

/// A process that answers cases in the order in which it is asked. It ends with this value.
#[derive(Debug)]
pub struct Oracle<Case, Answer> {
    process: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
    types: PhantomData<fn(&Case) -> Answer>,
}

impl<Case: Serialize + Send, Answer: DeserializeOwned> Oracle<Case, Answer> {
    /// Starts the program.
    pub fn start(program: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let to = BufWriter::new(process.stdin.take().context("no pipe to it")?);
        let from = BufReader::new(process.stdout.take().context("no pipe from it")?);
        Ok(Self { process, to, from, types: PhantomData })
    }

    /// One case.
    pub fn ask(&mut self, case: &Case) -> Result<Answer> {
        send(&mut self.to, case)?;
        receive(&mut self.from)
    }

    /// Many cases, made while earlier ones are being answered. `each` gets what was made with its answer, in order.
    pub fn ask_all<T: Send>(
        &mut self,
        cases: impl Iterator<Item = (Case, T)> + Send,
        mut each: impl FnMut(Case, T, Answer),
    ) -> Result<()> {
        let Self { to, from, .. } = self;
        thread::scope(|scope| {
            let (asked, to_be_answered) = sync_channel(AHEAD);
            let sender = scope.spawn(move || {
                for (case, with) in cases {
                    send(to, &case)?;
                    if asked.send((case, with)).is_err() {
                        break;
                    }
                }
                anyhow::Ok(())
            });
            for (case, with) in to_be_answered {
                each(case, with, receive(from)?);
            }
            sender.join().map_err(|_| anyhow!("making the cases panicked"))?
        })
    }
}

impl<Case, Answer> Drop for Oracle<Case, Answer> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn send<Case: Serialize>(to: &mut BufWriter<ChildStdin>, case: &Case) -> Result<()> {
    serde_json::to_writer(&mut *to, case).context("the oracle does not listen")?;
    to.write_all(b"\n").and_then(|()| to.flush()).context("the oracle does not listen")
}

fn receive<Answer: DeserializeOwned>(from: &mut BufReader<ChildStdout>) -> Result<Answer> {
    let mut line = String::new();
    from.read_line(&mut line).context("the oracle does not answer")?;
    serde_json::from_str(&line).with_context(|| format!("the oracle's answer {line:?}"))
}
