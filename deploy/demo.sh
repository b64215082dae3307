#!/bin/sh
# Bring a constellation up, load it, kill a satellite on the way, print the verdict, clean up.
#   deploy/demo.sh [SKYRACK]
set -u
skyrack=${1:-skyrack}
victim=p3s07
run=demo-$$

trap '"$skyrack" down --run "$run" >/dev/null 2>&1' EXIT
trap 'exit 130' INT TERM

"$skyrack" up iridium --detach --run "$run" || exit 1

echo
echo "A ping from London to Tokyo over the lasers, beside the delay computed for the same instant:"
"$skyrack" ping london tokyo --count 3 --interval 200ms --run "$run"
case $? in
0) ;;
1) echo "Nothing came back: the verdict below says whether that was the mesh or this machine." ;;
*) exit 1 ;;
esac

echo
echo "20 s of gRPC echo between random nodes; satellite $victim is killed after 8 s and started again:"
"$skyrack" load echo --for 20s --fault "kill:$victim@8s" --availability 0.9 --run "$run"
status=$?
case $status in
0) ;;
4) echo "The demo ran to its end, but this machine was too busy for its figures to be trusted: run it again when idle." ;;
*) exit "$status" ;;
esac

cat <<END

Try next (after: export PATH=\$PWD/.venv/bin:\$PATH)
  skyrack up                                    the same constellation, until Ctrl-C
  skyrack exec london -- ping -c 3 tokyo        any program, in that node's network
  skyrack path london tokyo --for 10m --step 60 how the way changes as the satellites move
  skyrack init && skyrack validate              a scenario of your own
END
