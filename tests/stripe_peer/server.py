"""The process: localstripe behind a server that closes its gaps, keeps count, and fails when it is told to.

Every call of the panel's comes in here and goes on to localstripe, which keeps customers, cards, payments,
charges and refunds, and signs and sends messages. Added here, as Stripe's documentation has them: idempotency
keys, Checkout Sessions that set a card up, parameters that localstripe does not know, errors in Stripe's
shape, confirmations by redirection, and limits of refunds. What is under ``/_peer`` is for tests alone.

    python server.py     prints where it listens
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from aiohttp import ClientSession, web
from localstripe import resources, server, webhooks

KEY, LIMITED_KEY = "sk_test_panel", "sk_test_limited"
HANG_SECONDS: Final = 90
NEEDS_CONFIRMATION: Final = {"4000002500003155", "4000002760003184"}
SET_UP_IS_ENOUGH: Final = {"4000002500003155"}

CALLS: Final = (
    ("customer", "POST", r"/v1/customers"),
    ("begin_setup", "POST", r"/v1/checkout/sessions"),
    ("finish_setup", "GET", r"/v1/checkout/sessions/(\w+)"),
    ("forget", "POST", r"/v1/payment_methods/(\w+)/detach"),
    ("prepare", "POST", r"/v1/payment_intents"),
    ("confirm", "POST", r"/v1/payment_intents/(\w+)/confirm"),
    ("cancel", "POST", r"/v1/payment_intents/(\w+)/cancel"),
    ("look_up", "GET", r"/v1/payment_intents/(\w+)"),
    ("refund", "POST", r"/v1/refunds"),
    ("find_refunds", "GET", r"/v1/refunds"),
    ("look_up_refund", "GET", r"/v1/refunds/(\w+)"),
)
SESSION_PARAMS: Final = {
    "mode", "customer", "allowed_payment_method_types", "success_url", "cancel_url", "client_reference_id",
    "setup_intent_data", "metadata", "locale",
}  # fmt: skip
# What Stripe knows and localstripe does not: it is taken off on the way, and can be seen in `calls`.
UNKNOWN: Final = {
    "prepare": {"description", "allowed_payment_method_types"},
    "confirm": {"off_session", "return_url"},
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it is kept under a key."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """The same, to be sent."""
        headers = {
            "Content-Type": "application/json",
            "Request-Id": f"req_{uuid4().hex[:14]}",
            **self.headers,
        }
        return web.Response(status=self.status, body=self.body, headers=headers)

    @property
    def json(self) -> dict[str, Any]:
        """The body read."""
        return dict(json.loads(self.body))


@dataclass(slots=True)
class Call:
    """A call that came in. `subject` is the id in its address."""

    name: str
    subject: str
    method: str
    address: str
    params: dict[str, str]
    key: str
    version: str
    replayed: bool = False

    def param(self, name: str) -> str:
        """A parameter, "" where there is none."""
        return self.params.get(name, "")

    def roots(self) -> set[str]:
        """The parameters' names without what is in brackets."""
        return {name.partition("[")[0] for name in self.params}


class Exported:
    """Something of which localstripe can make a message."""

    def __init__(self, about: dict[str, Any]) -> None:
        self._about = about

    def _export(self) -> dict[str, Any]:
        return self._about


def answered(body: dict[str, Any], status: int = 200, **headers: str) -> Reply:
    """An answer with a body."""
    return Reply(status, json.dumps(body).encode(), headers)


def refused(status: int, kind: str, message: str, **more: Any) -> Reply:
    """An error in Stripe's shape."""
    return answered({"error": {"type": kind, "message": message, **more}}, status)


def invalid(message: str, status: int = 400, **more: Any) -> Reply:
    """A call that Stripe does not take."""
    return refused(status, "invalid_request_error", message, **more)


FAILURES: Final[dict[str, Callable[[], Reply]]] = {
    "500": lambda: Reply(
        500,
        json.dumps({"error": {"type": "api_error", "message": "An unknown error occurred"}}).encode(),
        {"Stripe-Should-Retry": "false"},
    ),
    "429": lambda: invalid("Too many requests hit the API too quickly.", 429, code="rate_limit"),
    "409": lambda: refused(
        409, "idempotency_error", "There is a request in progress.", code="idempotency_key_in_use"
    ),
    "502": lambda: Reply(502, b"<html><h1>Bad gateway</h1></html>", {"Content-Type": "text/html"}),
}


class Peer:
    """What this process knows beside localstripe."""

    def __init__(self) -> None:
        self.base = ""
        self.upstream = ""
        self.client: ClientSession | None = None
        self.own: dict[str, Callable[[Call], Awaitable[Reply]]] = {
            "begin_setup": self.begin_setup,
            "finish_setup": self.finish_setup,
            "forget": self.forget,
            "prepare": self.prepare,
            "confirm": self.confirm,
            "refund": self.refund,
        }
        self.forget_all()

    def forget_all(self) -> None:
        """Begin anew."""
        self.calls: list[Call] = []
        self.faults: list[dict[str, Any]] = []
        self.kept: dict[str, tuple[str, Reply | None]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.setups: dict[str, dict[str, Any]] = {}
        self.numbers: dict[str, str] = {}
        self.notes: dict[str, dict[str, Any]] = {}
        self.inbox: list[tuple[str, str]] = []
        self.decline_code = "generic_decline"

    # The way of a call

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Whatever the panel asks."""
        call = self.read(request, (await request.read()).decode())
        self.calls.append(call)
        secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if secret == LIMITED_KEY:
            return invalid("The key does not have the required permissions.", 403).response()
        if secret != KEY:
            return invalid("Invalid API Key provided.", 401).response()
        if not call.version:
            return invalid("No API version").response()
        if "payment_method_types" in call.roots():
            return invalid("No longer supported", code="payment_method_types_no_longer_supported").response()
        fault = self.fault_for(call)
        if fault and not fault["done"]:
            return await self.go_wrong(request, call, fault, None)
        reply = await self.once(call)
        if fault:
            return await self.go_wrong(request, call, fault, reply)
        return reply.response()

    def read(self, request: web.Request, body: str) -> Call:
        """The call behind a request."""
        name, subject = "", ""
        for known, method, pattern in CALLS:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                name, subject = known, next(iter(found.groups()), "")
        params = dict(parse_qsl(body if request.method == "POST" else request.query_string))
        return Call(
            name,
            subject,
            request.method,
            request.path,
            params,
            request.headers.get("Idempotency-Key", ""),
            request.headers.get("Stripe-Version", ""),
        )

    def fault_for(self, call: Call) -> dict[str, Any] | None:
        for fault in self.faults:
            if fault["call"] == call.name and fault["times"] > 0:
                fault["times"] -= 1
                return fault
        return None

    async def go_wrong(
        self, request: web.Request, call: Call, fault: dict[str, Any], reply: Reply | None
    ) -> web.StreamResponse:
        how = fault["how"]
        if how in FAILURES:
            failure = FAILURES[how]()
            if how == "500" and call.key and call.method == "POST":
                # Once it has begun, Stripe keeps whatever came of it, errors of its own too.
                self.kept[call.key] = (self.print_of(call), failure)
            return failure.response()
        if how == "hang":
            await asyncio.sleep(HANG_SECONDS)
        if how == "half" and reply is not None:
            response = web.StreamResponse(headers={"Content-Length": str(len(reply.body))})
            await response.prepare(request)
            await response.write(reply.body[: len(reply.body) // 2])
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    @staticmethod
    def print_of(call: Call) -> str:
        return json.dumps([call.method, call.address, sorted(call.params.items())])

    async def once(self, call: Call) -> Reply:
        """Do what is asked, or say again what came of it under the same key."""
        if call.method != "POST" or not call.key:
            return await self.do(call)
        if call.key in self.kept:
            known, reply = self.kept[call.key]
            if known != self.print_of(call):
                message = "Keys for idempotent requests can only be used with the same parameters."
                return refused(400, "idempotency_error", message)
            if reply is None:
                return FAILURES["409"]()
            call.replayed = True
            return Reply(reply.status, reply.body, {**reply.headers, "Idempotent-Replayed": "true"})
        self.kept[call.key] = (self.print_of(call), None)
        reply = await self.do(call)
        if reply.status in (400, 404):
            del self.kept[call.key]
        else:
            self.kept[call.key] = (self.print_of(call), reply)
        return reply

    async def do(self, call: Call) -> Reply:
        own = self.own.get(call.name)
        return await (own(call) if own else self.passed_on(call))

    async def passed_on(self, call: Call) -> Reply:
        """What localstripe says, in Stripe's shape."""
        params = {
            name: value
            for name, value in call.params.items()
            if name.partition("[")[0] not in UNKNOWN.get(call.name, set())
        }
        reply = await self.ask(call.method, call.address, params)
        if reply.status in (400, 404, 409):
            missing = {"code": "resource_missing"} if reply.status == 404 else {}
            state = {"code": "payment_intent_unexpected_state"} if call.name in ("confirm", "cancel") else {}
            return invalid(reply.json["error"].get("message", ""), reply.status, **(missing or state))
        if reply.status == 200 and reply.json.get("object") == "payment_intent":
            return answered(self.shaped(reply.json))
        return reply

    async def ask(self, method: str, address: str, params: dict[str, str]) -> Reply:
        """Ask localstripe."""
        if self.client is None:
            raise RuntimeError("not started")
        how: dict[str, Any] = {"params": params}
        if method == "POST":
            how = {
                "data": urlencode(params),
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            }
        how.setdefault("headers", {})["Authorization"] = f"Bearer {KEY}"
        async with self.client.request(method, self.upstream + address, **how) as response:
            return Reply(response.status, await response.read())

    # Cards

    async def begin_setup(self, call: Call) -> Reply:
        """A Checkout Session that sets a card up, and the SetupIntent behind it."""
        if unknown := call.roots() - SESSION_PARAMS:
            return invalid(f"Received unknown parameter: {', '.join(sorted(unknown))}")
        if call.param("mode") != "setup" or not call.param("success_url").startswith(("http://", "https://")):
            return invalid("Not a valid URL", param="success_url")
        customer = await self.ask("GET", f"/v1/customers/{call.param('customer')}", {})
        if customer.status != 200:
            return invalid("No such customer", 400, code="resource_missing", param="customer")
        setup = {
            "id": f"seti_{uuid4().hex[:24]}",
            "object": "setup_intent",
            "status": "requires_payment_method",
            "usage": "off_session",
            "customer": call.param("customer"),
            "payment_method": None,
        }
        session = {
            "id": f"cs_test_{uuid4().hex}",
            "object": "checkout.session",
            "mode": "setup",
            "status": "open",
            "customer": call.param("customer"),
            "client_reference_id": call.param("client_reference_id"),
            "setup_intent": setup["id"],
            "payment_intent": None,
            "livemode": False,
        }
        # Addresses of Stripe's are long: by its own account up to 5,000 characters.
        session["url"] = f"{self.base}/pay/{session['id']}#{'fid' * 1000}"
        self.setups[str(setup["id"])] = setup
        self.sessions[str(session["id"])] = session
        return answered(session)

    async def finish_setup(self, call: Call) -> Reply:
        """A session, with what it was asked to be expanded by."""
        session = self.sessions.get(call.subject)
        if session is None:
            return invalid("No such checkout.session", 404, code="resource_missing")
        setup = dict(self.setups[session["setup_intent"]])
        expand = [value for name, value in call.params.items() if name.startswith("expand")]
        if expand == ["setup_intent.payment_method"]:
            if setup["payment_method"]:
                method = await self.ask("GET", f"/v1/payment_methods/{setup['payment_method']}", {})
                setup["payment_method"] = method.json
            session = {**session, "setup_intent": setup}
        return answered(session)

    async def enter(self, request: web.Request) -> web.Response:
        """What Stripe's page does with a card."""
        session, said = self.sessions[request.match_info["id"]], await request.json()
        card = {"number": said["number"], "exp_month": "12", "exp_year": "2034", "cvc": "123"}
        fields = {f"card[{name}]": value for name, value in card.items()}
        made = await self.ask("POST", "/v1/payment_methods", {"type": "card", **fields})
        method = made.json["id"]
        to = {"customer": session["customer"]}
        attached = await self.ask("POST", f"/v1/payment_methods/{method}/attach", to)
        if attached.status != 200:
            return web.json_response({"complete": False})
        self.numbers[method] = said["number"]
        resources.store[f"payment_method:{method}"].card["brand"] = said["brand"]
        self.setups[session["setup_intent"]].update(status="succeeded", payment_method=method)
        session["status"] = "complete"
        self.tell("checkout.session.completed", session)
        return web.json_response({"complete": True})

    async def forget(self, call: Call) -> Reply:
        """Detach, which Stripe does once."""
        found = await self.ask("GET", f"/v1/payment_methods/{call.subject}", {})
        if found.status == 200 and found.json["customer"] is None:
            return invalid("The payment method you provided is not attached to a customer.")
        reply = await self.passed_on(call)
        if reply.status == 200:
            self.tell("payment_method.detached", reply.json)
        return reply

    # Payments

    async def prepare(self, call: Call) -> Reply:
        """A payment by a card, which has to be the customer's."""
        found = await self.ask("GET", f"/v1/payment_methods/{call.param('payment_method')}", {})
        if found.status != 200 or found.json["customer"] != call.param("customer"):
            return invalid(
                "The customer does not have a payment method with that ID.", param="payment_method"
            )
        if call.param("currency") != call.param("currency").lower():
            return invalid("Invalid currency", param="currency")
        if int(call.param("amount")) < 50:
            return invalid("Amount must be at least $0.50 usd", code="amount_too_small")
        reply = await self.passed_on(call)
        if reply.status == 200:
            self.notes[reply.json["id"]] = {"description": call.param("description")}
        return reply

    async def confirm(self, call: Call) -> Reply:
        """Charge. Where nobody is there, a bank that wants a confirmation declines, unless set-up is enough."""
        before = await self.ask("GET", call.address.removesuffix("/confirm"), {})
        if before.status != 200:
            return invalid("No such payment_intent", 404, code="resource_missing")
        note = self.notes.setdefault(call.subject, {})
        note["return_url"] = call.param("return_url")
        number = self.numbers.get(before.json["payment_method"] or "", "")
        reply = await self.passed_on(call)
        if reply.status == 402:
            return await self.declined(call.subject)
        if reply.status != 200 or number not in NEEDS_CONFIRMATION or call.param("off_session") != "true":
            return reply
        is_enough = number in SET_UP_IS_ENOUGH
        done = await self.authenticate(call.subject, confirmed=is_enough)
        if is_enough:
            return answered(self.shaped(done.json))
        note["error"] = {"code": "authentication_required", "decline_code": "authentication_required"}
        return await self.declined(call.subject)

    async def authenticate(self, intent: str, *, confirmed: bool) -> Reply:
        found = await self.ask("GET", f"/v1/payment_intents/{intent}", {})
        return await self.ask(
            "POST",
            f"/v1/payment_intents/{intent}/_authenticate",
            {"client_secret": found.json["client_secret"], "success": "true" if confirmed else "false"},
        )

    async def declined(self, intent: str) -> Reply:
        """A card error, with the payment in it."""
        found = self.shaped((await self.ask("GET", f"/v1/payment_intents/{intent}", {})).json)
        error = found["last_payment_error"]
        return answered({"error": {**error, "payment_intent": found}}, 402)

    def shaped(self, intent: dict[str, Any]) -> dict[str, Any]:
        """A payment as Stripe has it."""
        note = self.notes.get(intent["id"], {})
        intent["description"] = note.get("description")
        intent["amount_received"] = intent["amount"] if intent["status"] == "succeeded" else 0
        if intent["next_action"] and note.get("return_url"):
            intent["next_action"] = {
                "type": "redirect_to_url",
                "redirect_to_url": {
                    "url": f"{self.base}/bank/{intent['id']}",
                    "return_url": note["return_url"],
                },
            }
        error = intent["last_payment_error"]
        if error:
            if error["code"] == "card_declined":
                error["decline_code"] = self.decline_code
            intent["last_payment_error"] = {"type": "card_error", **error, **note.get("error", {})}
            intent["payment_method"] = None
        return intent

    async def refund(self, call: Call) -> Reply:
        """Give back, at most what is left of the charge."""
        of = {"payment_intent": call.param("payment_intent")}
        known = await self.ask("GET", "/v1/refunds", of)
        intent = await self.ask("GET", f"/v1/payment_intents/{of['payment_intent']}", {})
        if intent.status != 200:
            return invalid("No such payment_intent", 404, code="resource_missing")
        before = sum(refund["amount"] for refund in known.json["data"]) if known.status == 200 else 0
        if before + int(call.param("amount")) > intent.json["amount"]:
            return invalid("Refund amount is greater than unrefunded amount on charge")
        reply = await self.passed_on(call)
        if reply.status == 200:
            self.tell("refund.created", {**reply.json, **of})
        return reply

    # For tests

    def tell(self, kind: str, about: dict[str, Any]) -> None:
        """Have localstripe sign a message and send it."""
        webhooks.schedule_webhook(resources.Event(kind, Exported(about)))

    async def reset(self, request: web.Request) -> web.Response:
        # A message waits a second before it is sent: one of an earlier test is not to reach the next.
        for task in asyncio.all_tasks():
            if getattr(task.get_coro(), "__name__", "") == "_send_webhook":
                task.cancel()
        webhooks._webhooks.clear()
        resources.store.clear()
        self.forget_all()
        return web.json_response({})

    async def add_fault(self, request: web.Request) -> web.Response:
        self.faults.append(await request.json())
        return web.json_response({})

    async def set_decline(self, request: web.Request) -> web.Response:
        self.decline_code = (await request.json())["code"]
        return web.json_response({})

    async def answer_bank(self, request: web.Request) -> web.Response:
        said = await request.json()
        done = await self.authenticate(request.match_info["id"], confirmed=said["confirmed"])
        return web.json_response(done.json, status=200 if done.status == 402 else done.status)

    async def list_charges(self, request: web.Request) -> web.Response:
        of_kind = [item for name, item in resources.store.items() if name.startswith("charge:")]
        charges = [
            {
                "intent": charge.payment_intent,
                "amount": charge.amount,
                "currency": charge.currency,
                "refunded": charge.amount_refunded,
            }
            for charge in of_kind
            if charge.status == "succeeded"
        ]
        return web.json_response({"charges": charges})

    async def list_intents(self, request: web.Request) -> web.Response:
        names = [name.partition(":")[2] for name in resources.store if name.startswith("payment_intent:")]
        return web.json_response({"intents": names})

    async def list_calls(self, request: web.Request) -> web.Response:
        shown = ("name", "params", "key", "version", "replayed", "subject")
        return web.json_response(
            {"calls": [{name: getattr(call, name) for name in shown} for call in self.calls]}
        )

    async def take_message(self, request: web.Request) -> web.Response:
        self.inbox.append(((await request.read()).decode(), request.headers["Stripe-Signature"]))
        return web.Response()

    async def list_messages(self, request: web.Request) -> web.Response:
        return web.json_response({"messages": self.inbox})

    async def send_event(self, request: web.Request) -> web.Response:
        said = await request.json()
        self.tell(said["kind"], said["about"])
        return web.json_response({})

    async def add_webhook(self, request: web.Request) -> web.Response:
        said = await request.json()
        webhooks.register_webhook(request.match_info["name"], said["url"], said["secret"], None)
        return web.json_response({})

    def app(self) -> web.Application:
        """The addresses."""
        app = web.Application()
        app.router.add_delete("/_peer", self.reset)
        app.router.add_post("/_peer/faults", self.add_fault)
        app.router.add_post("/_peer/decline", self.set_decline)
        app.router.add_post("/_peer/events", self.send_event)
        app.router.add_post("/_peer/sessions/{id}/enter", self.enter)
        app.router.add_post("/_peer/intents/{id}/answer", self.answer_bank)
        app.router.add_get("/_peer/charges", self.list_charges)
        app.router.add_get("/_peer/intents", self.list_intents)
        app.router.add_get("/_peer/calls", self.list_calls)
        app.router.add_get("/_peer/inbox", self.list_messages)
        app.router.add_post("/_peer/inbox", self.take_message)
        app.router.add_post("/_config/webhooks/{name}", self.add_webhook)
        app.router.add_route("*", "/v1/{rest:.*}", self.serve)
        return app


async def listen(app: web.Application) -> str:
    """Serve an app on a free port of loopback; returns its address."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


async def main() -> None:
    """Serve until the process is ended."""
    # It would write to one file that all such servers of the machine share, at each call.
    resources.store.dump_to_disk = lambda: None
    peer = Peer()
    peer.upstream = await listen(server.app)
    peer.base = await listen(peer.app())
    async with ClientSession() as peer.client:
        print(f"listening at {peer.base}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
