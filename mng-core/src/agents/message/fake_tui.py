# A program with an input box, as coding agents have one: bracketed paste, dialogs, evidence on disk.
# Its behaviour is steered by files in its directory: `slow` (draws nothing while it is there), `drop_enter`
# (the next Enter is lost), `dialog` (its content names a dialog that reads the keys; `x` closes it).
import json, os, re, select, sys, termios, tty

fd = sys.stdin.fileno()
tty.setraw(fd)
out = os.fdopen(1, "wb", 0)
out.write(b"\x1b[?2004h")
box, pending, drawn, pasting = "", b"", None, False


def exists(name):
    return os.path.exists(name)


def draw():
    global drawn
    if exists("slow"):
        return
    if exists("dialog"):
        text = "\x1b[H\x1b[2JDIALOG " + open("dialog").read().strip()
    else:
        shown = "[Pasted text #1]" if len(box) > 800 else box.replace("\n", "\r\n  ")
        text = "\x1b[H\x1b[2J--\r\n> " + (shown or "\x1b[2mtype here\x1b[0m") + "\r\n--"
    if text != drawn:
        out.write(text.encode())
        drawn = text


def submit():
    global box
    if exists("drop_enter"):
        os.remove("drop_enter")
        return
    if not box:
        return
    kind = "rejected" if box.startswith("/unknown") else "accepted"
    if box.startswith("/model"):
        open("dialog", "w").write("the model dialog")
    if not box.startswith("/silent"):
        with open("evidence.jsonl", "a") as f:
            f.write(json.dumps({kind: box}) + "\n")
    box = ""


def key(ch):
    global box
    if exists("dialog"):
        with open("dialog_keys", "a") as f:
            f.write(ch)
        if ch == "x":
            os.remove("dialog")
        return
    if pasting:
        box += "\n" if ch == "\r" else ch
    elif ch == "\r":
        submit()
    elif ch == "\x15":
        box = box[: box.rfind("\n") + 1].rstrip("\n") if "\n" in box else ""
    elif ch == "\x05":
        pass
    else:
        box += ch


open("ready", "w").close()
while True:
    draw()
    if select.select([fd], [], [], 0.02)[0]:
        pending += os.read(fd, 65536)
    while pending:
        mark = re.match(rb"\x1b\[20([01])~", pending)
        if mark:
            pasting = mark.group(1) == b"0"
            pending = pending[mark.end() :]
            continue
        if pending[:1] == b"\x1b" and len(pending) < 6:
            break
        size = 1
        while size < 4 and size < len(pending) and pending[size] & 0xC0 == 0x80:
            size += 1
        key(pending[:size].decode("utf-8", "replace"))
        pending = pending[size:]
