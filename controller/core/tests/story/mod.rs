//! A small world in which decisions are made, acted on, and told.

mod command;
mod world;

use std::fmt::Write;

use plimsoll_core::replicas::Algorithm;
use world::World;

/// The story with the answers after each command that has one. Both algorithms live through it side by side; where
/// they say the same, it is said once.
pub(super) fn tell(text: &str) -> Result<String, String> {
    let mut worlds = [World::new(Algorithm::Hpa137), World::new(Algorithm::Plimsoll1)];
    let mut told = String::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('|')) {
        writeln!(told, "{line}").map_err(|error| error.to_string())?;
        let command = line.split('#').next().unwrap_or_default().trim();
        if command.is_empty() {
            continue;
        }
        let mut answers = Vec::new();
        for world in &mut worlds {
            let answer =
                command::obey(world, command).map_err(|error| format!("line {}: {error}", number + 1))?;
            answers.push(answer);
        }
        if answers[0] == answers[1] {
            quote(&mut told, "", &answers[0]);
        } else {
            for (world, answer) in worlds.iter().zip(&answers) {
                quote(&mut told, &format!("{}: ", world.algorithm()), answer);
            }
        }
    }
    Ok(told)
}

fn quote(told: &mut String, who: &str, answer: &str) {
    for (number, line) in answer.lines().enumerate() {
        let who = if number == 0 { who } else { "" };
        told.push_str(format!("| {who}{line}").trim_end());
        told.push('\n');
    }
}
