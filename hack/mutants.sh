#!/usr/bin/env bash
# Tests of the tests: each rule of a folder of the core is changed in each way that cargo-mutants knows, and some test
# must fail. What survives is published with the reason in docs/mutation/NAME.md.
#
#   hack/mutants.sh controller/core/src/replicas              all, then the page
#   SHARD=0/24 hack/mutants.sh controller/core/src/replicas   every 24th mutant, added to the parts run before
#   hack/mutants.sh controller/core/src/replicas --rest       those that were not run yet, or whose lines have moved
#   hack/mutants.sh controller/core/src/replicas --survivors  again those that survived, after a test was written
#   hack/mutants.sh controller/core/src/replicas --page       the page alone, of what was run before
#
# A mutant costs a build, so the builds are small: a copy of the core alone, whose integration tests are modules of the
# library. That is one crate to compile and one program to link instead of six. The tests of the folder itself run first;
# those of other folders, and then the slow ones (the properties), only against what these let through. The first test that
# fails ends them.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

version=27.1.0
folder=${1:-}
folder=${folder%/}
[[ $folder == controller/core/src/* && -e $folder ]] ||
  die "'${folder}' is no folder of controller/core/src: hack/mutants.sh controller/core/src/replicas"
name=$(basename "$folder" .rs)
shard=${SHARD:-0/1}
[[ $shard =~ ^[0-9]+/[1-9][0-9]*$ ]] || die "SHARD is '$shard', not K/N as in SHARD=0/8"
page=docs/mutation/$name.md
outcomes=docs/mutation/$name.txt
reasons=docs/mutation/$name.reasons
work=$target_dir/mutants
tree=$work/tree
results=$work/$name
files=$folder
[[ -d $folder ]] && files="$folder/**"
# Seconds that the tests may take with a mutant, also on a busy machine.
limit=20
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo starts test programs with.
runner=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$host")_RUNNER

# What runs against every mutant beside the folder's own tests; what more runs against those that survived that, with the
# tests of the other folders; and what only against those that survived this too. What the folder does without.
case $folder/ in
  controller/core/src/placement/* | controller/core/src/nodes/* | controller/core/src/audit/*)
    near=(plans preferences)
    case $folder/ in
      */placement/*) near+=(placement) ;;
      */nodes/*) near+=(removal_stories) ;;
      */audit/*) near=(audit audit_bounds audit_matches audit_social audit_sums) ;;
    esac
    quick=(placement plans preferences removal_stories audit audit_bounds audit_matches audit_social
      audit_sums)
    slow=(removals)
    slow_tests=(
      --skip plans::the_audit_accepts_a_mix_of_all_that_pods_ask_of_each_other
      --skip placement::the_order_of_what_is_seen_does_not_matter
      --skip placement::a_spread_plan_that_is_carried_out_in_part_leads_to_no_other
      --skip placement::counts_that_follow_changes_are_those_made_anew
    )
    unneeded=(replicas reason)
    ;;
  *)
    near=(goldens differences)
    quick=("${near[@]}")
    slow=(properties)
    slow_tests=(--skip no_list_grows_without_bound)
    unneeded=()
    ;;
esac

# The core alone, with these integration tests as modules.
copy_core() {
  local module test
  rm -rf "$tree/controller" "$tree/docs"
  mkdir -p "$tree"
  # Not the times of the files: what lies in the target folder may be built of a mutant.
  git ls-files -z --cached --others --exclude-standard controller/core docs/algorithms.md Cargo.lock |
    tar --create --null --files-from - | tar --extract --touch --directory "$tree"
  # Without debug information, which nobody reads here.
  awk '/^\[/ { kept = /^\[workspace\.(package|dependencies)\]/ } kept' Cargo.toml >"$tree/Cargo.toml"
  cat >>"$tree/Cargo.toml" <<'END'
[workspace]
resolver = "3"
members = ["controller/core"]
[workspace.lints.rust]
warnings = "allow"
[profile.dev]
debug = false
[profile.dev.package."*"]
opt-level = 1
END
  awk '
    /^\[/ { dropped = /^\[\[bench\]\]/ }
    dropped || /^criterion/ { next }
    { print }
    /^\[package\]/ { print "autotests = false\nautobenches = false" }
    /^\[lib\]/ { print "doctest = false" }
  ' controller/core/Cargo.toml >"$tree/controller/core/Cargo.toml"
  for module in "${unneeded[@]}"; do
    rm -rf "$tree/controller/core/src/$module" "$tree/controller/core/src/$module.rs"
    sed -i "/^pub mod $module;$/d" "$tree/controller/core/src/lib.rs"
  done
  echo '#[cfg(test)] extern crate self as plimsoll_core;' >>"$tree/controller/core/src/lib.rs"
  for test in "$@"; do
    echo "#[cfg(test)] #[path = \"../tests/$test.rs\"] mod tests_of_$test;" >>"$tree/controller/core/src/lib.rs"
  done
}

# The copy without the tests of other folders, which are most of what a build costs.
without_tests_of_others() {
  local file
  find "$tree/controller/core/src" -name '*.rs' -not -path "$tree/$folder" -not -path "$tree/$folder/*" |
    while read -r file; do
      awk '
        /^#\[cfg\(test\)\]$/ { held = 1; next }
        held && /^mod tests \{/ { exit }
        held && !/^mod tests;/ { print "#[cfg(test)]" }
        !(held && /^mod tests;/) { print }
        { held = 0 }
      ' "$file" >"$tree/shorter" && mv "$tree/shorter" "$file"
    done
}

# mutate WHERE OPTIONS...: cargo-mutants in the copy. It ends with 2 or 3 where mutants survived or took too long.
mutate() {
  local into=$1 code=0
  shift
  rm -rf "$into"
  mkdir -p "$into"
  # The first build and the first failure are told as such, not as survivors.
  (cd "$tree" && cargo test --quiet >"$into/unmutated.log" 2>&1) ||
    die "the tests fail without a mutant: $into/unmutated.log"
  (cd "$tree" && env "$runner=$root/hack/first-failure.sh" "$program" mutants --package plimsoll-core --in-place \
    --baseline skip --no-shuffle --timeout "$limit" --build-timeout 600 --output "$into" "$@") || code=$?
  (( code == 0 || code == 2 || code == 3 )) || die "cargo-mutants ended with $code"
}

near_tests() {
  if [[ $shard == 0/1 ]]; then rm -rf "$results"; fi
  say "changes of $folder against its own tests (part $shard)"
  against_near_tests "${shard//\//-of-}" --shard "$shard" --sharding round-robin
}

# against_near_tests NAME OPTIONS...: the mutants that these options of cargo-mutants choose.
against_near_tests() {
  copy_core "${near[@]}"
  without_tests_of_others
  mutate "$results/$1" --file "$files" "${@:2}" -- -- "${slow_tests[@]}"
}

# What was not run yet, or is elsewhere than when it was run.
rest() {
  local mutants=()
  mapfile -t mutants < <(comm -13 <(collect | sed 's/^[a-z]* //' | sort) \
    <(every_mutant | sed 's|^controller/core/src/||' | sort) | only_these)
  (( ${#mutants[@]} )) || return 0
  say "$((${#mutants[@]} / 2)) changes of $folder that were not run yet"
  against_near_tests "rest-$(date +%s)" "${mutants[@]}"
}

# Mutants, a line each, as arguments of cargo-mutants.
only_these() { sed 's/[][\.*^$+?(){}|]/\\&/g; s|.*|--re\n^controller/core/src/&$|'; }

# quick | all: the survivors against these tests.
again() {
  local survivors=()
  mapfile -t survivors < <(collect | sed -n 's/^survived //p' | only_these)
  (( ${#survivors[@]} )) || return 0
  say "$((${#survivors[@]} / 2)) survivors against the $1 tests"
  if [[ $1 == all ]]; then
    limit=300
    copy_core "${quick[@]}" "${slow[@]}"
    mutate "$results/$1-$(date +%s)" --file "$files" "${survivors[@]}"
  else
    copy_core "${quick[@]}"
    mutate "$results/$1-$(date +%s)" --file "$files" "${survivors[@]}" -- -- "${slow_tests[@]}"
  fi
}

# "OUTCOME MUTANT" of each that was run. What some test caught is caught; what is no mutant any more is left out.
collect() {
  local outcome
  {
    every_mutant | sed 's/^/known /'
    for outcome in missed unviable timeout caught; do
      find "$results" -path "*/mutants.out/$outcome.txt" -exec cat {} + | sed "s/^/$outcome /"
    done
  } | sed 's|^\([a-z]* \)controller/core/src/|\1|' | awk '
    { outcome = $1; sub(/^[^ ]+ /, "") }
    outcome == "known" { known[$0]; next }
    $0 in known { outcomes[$0] = outcome == "missed" ? "survived" : outcome }
    END { for (mutant in outcomes) print outcomes[mutant], mutant }
  ' | sort --key=2,2V --key=3
}

every_mutant() { "$program" mutants --list --package plimsoll-core --file "$files"; }

write_page() {
  local total
  mkdir -p "$(dirname "$page")"
  touch "$reasons"
  collect >"$outcomes"
  [[ -s $outcomes ]] || die "nothing was run: hack/mutants.sh $folder"
  total=$(every_mutant | wc -l)
  awk -v folder="$folder" -v name="$name" -v total="$total" -v version="$version" \
    -v day="$(date --utc +%F)" -v commit="$(git log -1 --format=%h -- controller/core)" '
    # The reasons: a line for the mutant, without its place; below it, indented, why it survives.
    FILENAME == ARGV[1] {
      if (/^  /) { sub(/^ +/, ""); why[key] = why[key] (why[key] == "" ? "" : " ") $0 }
      else if (NF && !/^#/) { key = $0 }
      next
    }
    {
      outcome = $1; sub(/^[^ ]+ /, "")
      file = $0; sub(/:.*/, "", file)
      key = $0; sub(/:[0-9]+:[0-9]+:/, ":", key)
      count[outcome]++; by[file, outcome]++; mutants[file]++; run++
      if (!(file in seen)) { seen[file]; files[++n] = file }
      if (outcome == "survived" || outcome == "timeout") { place[++m] = $0; what[m] = outcome; keys[m] = key }
    }
    END {
      printf "# Mutants of `%s`\n\n", folder
      print "Are the tests of the core worth their trust? Each rule is changed in each way that cargo-mutants knows (a comparison"
      print "turned round, a sum made a difference, a function that answers a constant), one change at a time. Some test must"
      print "then fail. A change that none notices is listed below with the reason.\n"
      print "`make mutants DIR=" folder "` makes this page; the outcome of each mutant is in"
      printf "[%s.txt](%s.txt), the reasons are kept in [%s.reasons](%s.reasons).\n\n", name, name, name, name
      printf "Run on %s, the core as of %s, cargo-mutants %s: %d of %d mutants", day, commit, version, run, total
      print run < total ? ".\nThe others were not run." : "."
      viable = run - count["unviable"]
      printf "\n| | mutants | share of those that compile |\n| --- | ---: | ---: |\n"
      printf "| caught by a test | %d | %.1f %% |\n", count["caught"], 100 * count["caught"] / viable
      printf "| never ended (caught by the time limit) | %d | %.1f %% |\n", count["timeout"], 100 * count["timeout"] / viable
      printf "| survived | %d | %.1f %% |\n", count["survived"], 100 * count["survived"] / viable
      printf "| do not compile | %d | |\n", count["unviable"]
      if (m) print "\n## What no test noticed\n"
      for (i = 1; i <= m; i++) {
        if (!(keys[i] in why)) unexplained++
        printf "- `%s`%s  \n  %s\n", place[i], what[i] == "timeout" ? " (never ended)" : "",
          keys[i] in why ? why[keys[i]] : "Not explained."
      }
      print "\n## By file\n\n| | mutants | caught | never ended | survived | do not compile |"
      print "| --- | ---: | ---: | ---: | ---: | ---: |"
      for (i = 1; i <= n; i++) {
        f = files[i]
        printf "| %s | %d | %d | %d | %d | %d |\n", f, mutants[f], by[f, "caught"], by[f, "timeout"], by[f, "survived"], by[f, "unviable"]
      }
      exit unexplained > 0
    }
  ' "$reasons" "$outcomes" >"$page" ||
    die "survivors without a reason in $page: write the missing test, or why none can notice, in $reasons"
  good "$page"
}

program=$(cargo_program cargo-mutants "$version")
mkdir -p "$results"
case ${2:-} in
  '') near_tests; again quick; again all ;;
  --rest) rest; again quick; again all ;;
  --survivors) again quick; again all ;;
  --page) ;;
  *) die "'$2' is none of --rest, --survivors and --page" ;;
esac
write_page
