use pretty_assertions::assert_eq;

use super::*;

#[test]
fn answers_of_the_same_moment_are_compared() {
    let held = Some(Theirs { current: 4, desired: 4 });
    let grown = Some(Theirs { current: 2, desired: 4 });
    let shrunk = Some(Theirs { current: 8, desired: 4 });
    for (theirs, ours, fresh, verdict) in [
        (held, Some(4), true, Verdict::Equal),
        (held, Some(4), false, Verdict::Equal),
        (held, Some(5), true, Verdict::Different),
        (held, Some(5), false, Verdict::Early),
        (held, None, true, Verdict::Undecided),
        (None, Some(4), true, Verdict::Early),
        // 4 -> 8 is what they decide at their next look.
        (grown, Some(8), true, Verdict::Early),
        (grown, Some(3), true, Verdict::Different),
        (shrunk, Some(2), true, Verdict::Early),
        (shrunk, Some(5), true, Verdict::Different),
    ] {
        assert_eq!(judge(theirs, ours, fresh), verdict, "{theirs:?} {ours:?} {fresh}");
    }
}
