# Sourced by the scripts beside it: where things are, and how they speak.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit

# The same folder as the test bed's tools (tests/src/tools.rs).
cache=${XDG_CACHE_HOME:-$HOME/.cache}/plimsoll
target_dir=${CARGO_TARGET_DIR:-$root/target}

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' yellow='' plain=''
fi

# What is being done now.
say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*" >&2; }
good() { printf ' %sok%s %s\n' "$green" "$plain" "$*" >&2; }
# What was left out, and why. Never silent.
skip() { printf ' %sskipped%s %s\n' "$yellow" "$plain" "$*" >&2; }
die() { printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2; exit 1; }

# The Rust target of a static binary for this machine.
musl_target() {
  case $(uname -s)/$(uname -m) in
    Linux/x86_64) echo x86_64-unknown-linux-musl ;;
    Linux/aarch64 | Linux/arm64) echo aarch64-unknown-linux-musl ;;
    *) die "static binaries are built on Linux, x86_64 or arm64; this is $(uname -sm). With Docker: docker build -t localhost/plimsoll-operator ." ;;
  esac
}

# Adds a Rust target, once. Where Rust came without rustup it must be there already.
need_target() {
  [[ -d $(rustc --print target-libdir --target "$1" 2>/dev/null) ]] && return
  command -v rustup >/dev/null ||
    die "Rust's target $1 is missing and there is no rustup to add it: install your distribution's package for it, or Rust from https://rustup.rs"
  say "adding Rust's target $1"
  rustup target add "$1" >&2 || die "rustup could not add the target $1 (see above)"
}

# A tool of the test bed by name: built when it is not yet there (the first time takes minutes, and says so).
# PLIMSOLL_TOOLS names a folder that has them already. No --package: with it Cargo would choose other features than
# for the whole workspace, and build every dependency a second time.
tool() {
  if [[ -n ${PLIMSOLL_TOOLS:-} ]]; then
    echo "$PLIMSOLL_TOOLS/$1"
  else
    cargo run --quiet --locked --bin testbed -- tool-path "$1"
  fi
}

# cargo_program NAME VERSION: where this program of crates.io is. Built once, outside the work tree.
cargo_program() {
  local program=$1 version=$2 home
  home=$cache/$program-$version
  if [[ ! -x $home/bin/$program ]]; then
    say "building $program $version, once (2 to 5 minutes on two cores)"
    # A folder of its own: what is built for this workspace stays as it is.
    CARGO_TARGET_DIR=$home/build cargo install "$program" --version "$version" --locked --root "$home" 2>&1 |
      awk -v tty="$([[ -t 2 ]] && echo 1 || echo 0)" '
        /^ *Compiling / { n++; if (tty) printf "\r\033[K    %d crates, %s", n, $2; else if (n % 50 == 0) printf "    %d crates\n", n; fflush() }
        /^error/ { failed = 1 }
        failed { print }
        END { if (tty) printf "\r\033[K" }' >&2
    rm -rf "$home/build"
  fi
  echo "$home/bin/$program"
}
