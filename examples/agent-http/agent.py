#!/usr/bin/env python3
"""A small agent over plain HTTP, with the standard library alone.

    LASTGOOD_TOKEN=... python3 agent.py ./outbox

It writes the letters of the tasks that it is assigned. It may be killed at any line and started again: no letter
is lost, none is written twice. The outside world is a folder here: a letter is sent when its file is there.
"""
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("LASTGOOD_URL", "http://127.0.0.1:7440")
TOKEN = os.environ["LASTGOOD_TOKEN"]
OUTBOX = sys.argv[1] if len(sys.argv) > 1 else "outbox"
PATIENCE = 60.0  # seconds that a call waits for a server that is away


class Fault(Exception):
    """What the server refuses: its code says why, its text what to do now."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


def call(method, path, body=None):
    """One request: JSON in, JSON out. All that this agent asks for may be asked again."""
    until = time.monotonic() + PATIENCE
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {TOKEN}"}
    if data is not None:
        headers["content-type"] = "application/json"
    while True:
        try:
            request = urllib.request.Request(URL + path, data, headers, method=method)
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            if problem.get("retry") != "later" or time.monotonic() > until:
                raise Fault(problem["code"], problem["detail"]) from None
        except OSError:
            if time.monotonic() > until:
                raise
        time.sleep(0.5)


def open_session():
    """Opens a session, or joins the one that `lastgood agent run` opened."""
    joined = os.environ.get("LASTGOOD_SESSION")
    if joined:
        session = call("GET", f"/v1/sessions/{joined}")
        return {**session, "heartbeatMs": session["leaseMs"] // 3, "joined": True}
    return {**call("POST", "/v1/sessions", {}), "joined": False}


def beat(session):
    """For as long as the process lives. Once the session is over, nothing that it does counts any more."""
    path = f"/v1/sessions/{session['record']['session_id']}/heartbeat"
    while True:
        time.sleep(session["heartbeatMs"] / 1000)
        try:
            call("POST", path, {"by": "agent"} if session["joined"] else {})
        except Fault as fault:
            print(fault, file=sys.stderr, flush=True)
            if fault.code == "fenced":
                os._exit(5)


def effect(session, task, key, run, lookup):
    """Acts once, whatever dies in between: its intent is on the server before it happens."""
    begin = {"session": session, "task": task, "key": key, "kind": "letter", "attempt": str(uuid.uuid4())}
    begun = call("POST", "/v1/effects", begin)
    effect_id = begun["effect"]["id"]
    if begun["go"] == "look-up":  # it was dispatched, and whoever did it died
        found = lookup(effect_id)
        settled = {"session": session, "happened": found is not None, "because": "looked into the outbox"}
        call("POST", f"/v1/effects/{effect_id}/settle", settled if found is None else {**settled, "result": found})
        if found is not None:
            return found
        begun = call("POST", "/v1/effects", begin)
    if begun["go"] == "replay":
        return begun["effect"]["result"]
    result = run(effect_id)
    call("POST", f"/v1/effects/{effect_id}/confirm", {"session": session, "result": result})
    return result


def do_task(session, task_id):
    """A task with the details {"letters": ["Ada", "Grace"]}."""
    task = call("GET", f"/v1/tasks/{task_id}")
    if task["state"] == "completed":
        return
    call("POST", f"/v1/tasks/{task_id}/claim", {"session": session})
    for name in task["details"]["letters"]:

        def write(effect_id, name=name):
            with open(os.path.join(OUTBOX, f"{effect_id}.txt"), "x", encoding="utf-8") as letter:
                letter.write(f"Dear {name},\n")
            return {"sent": name}

        def look(effect_id, name=name):
            return {"sent": name} if os.path.exists(os.path.join(OUTBOX, f"{effect_id}.txt")) else None

        effect(session, task_id, f"letter to {name}", write, look)
        print(f"sent {name}", flush=True)
    call("POST", f"/v1/tasks/{task_id}/complete", {"session": session})


def handle(session, message):
    """Acknowledged once the work is done; given back with the reason when it failed."""
    path = f"/v1/deliveries/{message['token']}"
    try:
        payload = message["payload"]
        if not message["handled"] and payload.get("type") == "task.assigned":
            do_task(session, payload["details"]["task"])
    except Exception as error:
        call("POST", f"{path}/nak", {"reason": str(error)[:2000]})
        if isinstance(error, Fault) and error.code == "fenced":
            raise
        return
    call("POST", f"{path}/ack", {})


def main():
    os.makedirs(OUTBOX, exist_ok=True)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, lambda *_: stopping.set())
    session = open_session()
    agent, session_id = session["record"]["agent"], session["record"]["session_id"]
    threading.Thread(target=beat, args=(session,), daemon=True).start()
    brief = call("POST", f"/v1/agents/{agent}/brief", {"session": session_id})
    print(f"{session_id} begins ({brief['recovery']}). {brief['conclusion']['says']}", flush=True)
    while not stopping.is_set():
        asked = {"max": 1, "waitMs": 2000, "session": session_id}
        for message in call("POST", f"/v1/inboxes/{agent}/fetch", asked)["messages"]:
            handle(session_id, message)
    if not session["joined"]:
        call("POST", f"/v1/sessions/{session_id}/end", {"reason": "stopped"})


if __name__ == "__main__":
    main()
