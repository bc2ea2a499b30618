//! The language of the stories. One command per line, `#` starts a comment.
//!
//! ```text
//! bounds 1..10                          minReplicas and maxReplicas
//! metric cpu 50%                        Resource, utilization of requests
//! metric cpu = 200m                     Resource, average value
//! metric container app cpu 50%          ContainerResource
//! metric pods rps = 10                  Pods
//! metric object rps of Ingress/main 100       Object, value; `= 100` for an average
//! metric external queue 30              External, value; `= 30` for an average
//! option 1 name jobs | option 1 min 2 | option 1 max 5 | option 1 activation 50    of metric number 1
//! schedule day 0 8 * * 1-5 until 0 18 * * 1-5 in Europe/Berlin min 4 max 9          min or max may be left out
//! formula min(jobs.replicas, 5) | formula none
//! fallback after 3 Static 4 | … StaticIfHigher 4 | … Hold | … ScheduledMinimum
//! survive zone | survive node           what may be lost
//! zones even 3 [of 4]                   the pods are ready, spread evenly over so many zones, of so many (also: nodes …)
//! zones a 3 b 3 c 0                     so many ready pods are in each (also: nodes …)
//! behavior                              the defaults of autoscaling/v2
//! up window 60s | up select Min | up policy 4 pods per 15s | up tolerance 0.2     (also: down …)
//! replicas 3                            the size that is asked for, set by hand
//! status 13                             the pods that exist, as the target reports
//! pods web 3 [requesting 100m] [pending|unready|young|deleting|failed|finished|foreign|gone]   replaces the group; 0: no requests
//! crowd web                             from now on the group follows the size
//! load web 90m                          of each pod of the group; `none` takes the samples away
//! queue 70                              the value of all Object and External metrics
//! queue age 10m                         the source of that value says that it is so old
//! fail 1 connection refused             metric number 1 cannot be read; `heal 1`
//! samples age 10m                       how old samples are when they are read
//! blocked conflicting a, b | selector required | selector invalid … | scale failed … | undecodable … | nothing
//! writes fail forbidden | writes succeed
//! wait 15s                              lets time pass
//! restart                               another process goes on, with what survives of the memory
//! decide                                decides, acts, and tells
//! every 15s 4 times decide              the same again and again, telling only the first lines
//! ```

use plimsoll_core::quantity::Quantity;
use plimsoll_core::replicas::{
    Fallback, FallbackBehavior, MetricOptions, MetricSpec, Obstacle, PodTarget, RatePolicy, ScalingRules,
    Schedule, SelectPolicy, Survive, ValueTarget,
};
use plimsoll_core::time::Span;

use super::world::{Group, Kind, Layout, World};

type Result<T> = std::result::Result<T, String>;

/// Does what the line says, and gives the answer, which is empty for most commands.
pub(super) fn obey(world: &mut World, line: &str) -> Result<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let rest = |count: usize| words[count..].join(" ");
    match words.as_slice() {
        ["bounds", bounds] => {
            let (min, max) = bounds.split_once("..").ok_or("bounds are min..max")?;
            (world.policy.min_replicas, world.policy.max_replicas) = (number(min)?, number(max)?);
        }
        ["metric", spec @ ..] => world.policy.metrics.push(metric(spec)?),
        ["option", index, option, value] => {
            let index = number::<usize>(index)? - 1;
            let options = &mut world.policy.metric_options;
            options.resize(options.len().max(index + 1), MetricOptions::default());
            match *option {
                "name" => options[index].name = Some((*value).to_owned()),
                "min" => options[index].min_replicas = Some(number(value)?),
                "max" => options[index].max_replicas = Some(number(value)?),
                "activation" => options[index].activation = Some(milli(value)?),
                _ => return Err(format!("no such option: {option}")),
            }
        }
        ["schedule", name, rest @ ..] => world.policy.schedules.push(schedule(name, rest)?),
        ["survive", "zone"] => world.policy.survive = Some(Survive::Zone),
        ["survive", "node"] => world.policy.survive = Some(Survive::Node),
        ["zones", how @ ..] => world.zones = Some(layout(how)?),
        ["nodes", how @ ..] => world.nodes = Some(layout(how)?),
        ["formula", "none"] => world.policy.formula = None,
        ["formula", ..] => world.policy.formula = Some(rest(1)),
        ["fallback", "after", count, behavior @ ..] => {
            let behavior = match behavior {
                ["Hold"] => FallbackBehavior::Hold,
                ["Static", replicas] => FallbackBehavior::Static(number(replicas)?),
                ["StaticIfHigher", replicas] => FallbackBehavior::StaticIfHigher(number(replicas)?),
                ["ScheduledMinimum"] => FallbackBehavior::ScheduledMinimum,
                _ => return Err(format!("no such fallback: {}", behavior.join(" "))),
            };
            world.policy.fallback = Some(Fallback { after_failures: number(count)?, behavior });
        }
        ["behavior"] => world.policy.behavior = Some(plimsoll_core::replicas::Behavior::default()),
        ["up", rule @ ..] => rules(&mut world.behavior()?.scale_up, rule)?,
        ["down", rule @ ..] => rules(&mut world.behavior()?.scale_down, rule)?,
        ["replicas", replicas] => world.resize(number(replicas)?),
        ["status", replicas] => world.status_replicas = Some(number(replicas)?),
        ["pods", name, count, how @ ..] => world.set_group(name, group(number(count)?, how)?),
        ["crowd", name] => world.crowd = Some((*name).to_owned()),
        ["load", name, "none"] => world.load(name, None)?,
        ["load", name, value] => world.load(name, Some(milli(value)?))?,
        ["queue", "age", age] => world.queue_age = Some(span(age)?),
        ["queue", value] => world.queue = milli(value)?,
        ["fail", index, ..] => drop(world.failing.insert(number(index)?, rest(2))),
        ["heal", index] => drop(world.failing.remove(&number(index)?)),
        ["samples", "age", age] => world.sample_age = span(age)?,
        ["blocked", ..] => world.obstacle = obstacle(&words[1..])?,
        ["writes", "fail", ..] => world.write_error = Some(rest(2)),
        ["writes", "succeed"] => world.write_error = None,
        ["wait", time] => world.now = world.now + span(time)?,
        ["restart"] => world.restart(),
        ["decide"] => return Ok(world.decide()),
        ["every", period, times, "times", "decide"] => {
            let mut lines = Vec::new();
            for _ in 0..number::<u32>(times)? {
                let told = world.decide();
                lines.push(told.lines().next().unwrap_or_default().to_owned());
                world.now = world.now + span(period)?;
            }
            return Ok(lines.join("\n"));
        }
        _ => return Err(format!("not understood: {line}")),
    }
    Ok(String::new())
}

fn layout(words: &[&str]) -> Result<Layout> {
    Ok(match words {
        ["even", open] => Layout::Even { open: number(open)?, known: number(open)? },
        ["even", open, "of", known] => Layout::Even { open: number(open)?, known: number(known)? },
        pods => {
            let pods = pods.chunks(2).map(|one| match one {
                [name, count] => Ok(((*name).to_owned(), number(count)?)),
                _ => Err("a layout is a name and a number, again and again".to_owned()),
            });
            Layout::As(pods.collect::<Result<_>>()?)
        }
    })
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| format!("not a number: {word}"))
}

fn milli(word: &str) -> Result<i64> {
    Quantity::parse(word).map(Quantity::milli).map_err(|error| format!("{word}: {error}"))
}

fn span(word: &str) -> Result<Span> {
    let (value, unit) = word.split_at(word.len() - 1);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("not a time: {word}")),
    };
    Ok(Span::from_secs(number::<i64>(value)? * factor))
}

fn metric(words: &[&str]) -> Result<MetricSpec> {
    let value = |target: &[&str]| match target {
        ["=", average] => Ok(ValueTarget::AverageValue(milli(average)?)),
        [value] => Ok(ValueTarget::Value(milli(value)?)),
        _ => Err("a target is a value, or = and an average".to_owned()),
    };
    let pod = |target: &[&str]| match target {
        ["=", average] => Ok(PodTarget::AverageValue(milli(average)?)),
        [percent] => Ok(PodTarget::Utilization(number(percent.trim_end_matches('%'))?)),
        _ => Err("a target is a percentage, or = and an average".to_owned()),
    };
    Ok(match words {
        ["container", container, name, target @ ..] => MetricSpec::ContainerResource {
            name: (*name).to_owned(),
            container: (*container).to_owned(),
            target: pod(target)?,
        },
        ["pods", metric, "=", average] => {
            MetricSpec::Pods { metric: (*metric).to_owned(), selector: None, average: milli(average)? }
        }
        ["object", metric, "of", object, target @ ..] => {
            let (kind, name) = object.split_once('/').ok_or("an object is Kind/name")?;
            MetricSpec::Object {
                kind: kind.to_owned(),
                name: name.to_owned(),
                metric: (*metric).to_owned(),
                selector: None,
                target: value(target)?,
            }
        }
        ["external", metric, target @ ..] => {
            MetricSpec::External { metric: (*metric).to_owned(), selector: None, target: value(target)? }
        }
        [name, target @ ..] => MetricSpec::Resource { name: (*name).to_owned(), target: pod(target)? },
        [] => return Err("which metric?".to_owned()),
    })
}

fn schedule(name: &str, words: &[&str]) -> Result<Schedule> {
    let zone_at = words.iter().position(|word| *word == "in").ok_or("in which zone?")?;
    let (times, bounds) = words.split_at(zone_at);
    let zone = bounds.get(1).ok_or("in which zone?")?;
    let times = times.join(" ");
    let (start, end) = times.split_once(" until ").ok_or("until when?")?;
    let bound = |wanted: &str| {
        let at = bounds.iter().position(|word| *word == wanted);
        at.and_then(|at| bounds.get(at + 1)).map(|word| number(word)).transpose()
    };
    Ok(Schedule {
        name: name.to_owned(),
        start: start.to_owned(),
        end: end.to_owned(),
        time_zone: (*zone).to_owned(),
        min_replicas: bound("min")?,
        max_replicas: bound("max")?,
    })
}

fn rules(rules: &mut ScalingRules, words: &[&str]) -> Result<()> {
    match words {
        ["window", time] => {
            let seconds = i32::try_from(span(time)?.as_secs()).map_err(|error| error.to_string())?;
            rules.stabilization_window_seconds = Some(seconds);
        }
        ["select", select] => {
            rules.select_policy = match *select {
                "Max" => SelectPolicy::Max,
                "Min" => SelectPolicy::Min,
                "Disabled" => SelectPolicy::Disabled,
                _ => return Err(format!("select Max, Min or Disabled, not {select}")),
            }
        }
        ["no", "policies"] => rules.policies.clear(),
        ["policy", value, unit, "per", time] => {
            let period = i32::try_from(span(time)?.as_secs()).map_err(|error| error.to_string())?;
            rules.policies.push(match *unit {
                "pods" => RatePolicy::pods(number(value)?, period),
                "%" => RatePolicy::percent(number(value)?, period),
                _ => return Err(format!("pods or %, not {unit}")),
            });
        }
        ["tolerance", value] => rules.tolerance = Some(number(value)?),
        _ => return Err(format!("no such rule: {}", words.join(" "))),
    }
    Ok(())
}

fn group(count: usize, words: &[&str]) -> Result<Group> {
    let mut group = Group { count, ..Group::default() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        group.kind = match *word {
            "requesting" => {
                group.request = milli(words.next().ok_or("requesting what?")?)?;
                continue;
            }
            "pending" => Kind::Pending,
            "unready" => Kind::Unready,
            "young" => Kind::Young,
            "deleting" => Kind::Deleting,
            "failed" => Kind::Failed,
            "finished" => Kind::Finished,
            "foreign" => Kind::Foreign,
            "gone" => Kind::Gone,
            _ => return Err(format!("no such pods: {word}")),
        };
    }
    Ok(group)
}

fn obstacle(words: &[&str]) -> Result<Option<Obstacle>> {
    let text = |count: usize| words[count..].join(" ");
    Ok(Some(match words {
        ["nothing"] => return Ok(None),
        ["conflicting", ..] => {
            Obstacle::Conflicting { others: text(1).split(", ").map(str::to_owned).collect() }
        }
        ["selector", "required"] => Obstacle::SelectorRequired,
        ["selector", "invalid", ..] => Obstacle::InvalidSelector(text(2)),
        ["scale", "failed", ..] => Obstacle::FailedGetScale(text(2)),
        ["undecodable", ..] => Obstacle::Undecodable(text(1)),
        _ => return Err(format!("no such obstacle: {}", text(0))),
    }))
}
