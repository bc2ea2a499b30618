# values.yaml → a Markdown table. A comment that begins with "# --" documents the key below it.
BEGIN { print "| Value | Default | What it is |"; print "| --- | --- | --- |" }

function escaped(text) { gsub(/\|/, "\\|", text); return text }

/^ *# --/ { doc = $0; sub(/^ *# -- */, "", doc); next }
/^ *#/ { if (doc != "") { line = $0; sub(/^ *# */, "", line); doc = doc " " line } next }
/^ *[A-Za-z]+:/ {
  match($0, /^ */)
  depth = RLENGTH / 2
  key = $0
  sub(/^ */, "", key)
  value = key
  sub(/:.*/, "", key)
  sub(/^[^:]*: */, "", value)
  path[depth] = key
  if (doc != "") {
    name = path[0]
    for (i = 1; i <= depth; i++) name = name "." path[i]
    print "| `" name "` | " (value == "" ? "see `values.yaml`" : "`" escaped(value) "`") " | " escaped(doc) " |"
    doc = ""
  }
}
