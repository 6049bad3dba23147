"""What a browser test looks out for on its pages, beside what it is about."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, Response

# WCAG 2.2 to level AA, and what axe calls good practice is left to judgement.
AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    # Reading style sheets again would put those that import others into the page, which its policy refuses.
    "preload": False,
}


def watch(page: Page, own: str) -> list[str]:
    """Write down, from now on, what goes wrong on a page whose panel is at ``own``.

    Errors of scripts, what the content security policy refuses, files that are missing, and requests to any other
    host. The list that is returned grows as the page does.
    """
    faults: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # The answer to a wrong form or a missing page is logged as an error too; lost files are found below. htmx
        # logs a request that a newer one of the same form has replaced, which is what is wanted there.
        expected = ("Failed to load resource", "htmx:sendAbort", "htmx:afterRequest")
        if message.type == "error" and not message.text.startswith(expected):
            faults.append(f"console: {message.text}")

    def on_response(response: Response) -> None:
        kind = response.request.resource_type
        if response.status >= 400 and kind in {"stylesheet", "script", "image", "font"}:
            faults.append(f"{response.status} for the {kind} {response.url}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((own, "data:", "blob:", "about:")):
            faults.append(f"another host: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("request", on_request)
    page.on("response", on_response)
    return faults


def barriers(page: Page) -> list[str]:
    """What keeps people out of the page as it stands now, found by axe: one line for each element, with the rule."""
    found = Axe().run(page, options=AXE_OPTIONS)
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}: {node['html']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]
