"""The page that asks: sign in as whom, deny, or fail."""

from collections.abc import Iterable, Mapping
from html import escape

from devtools.simulators.x.failures import FAILURES
from devtools.simulators.x.people import Person

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; border: 1px solid var(--line); border-radius: 1rem; padding: 1.75rem; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .25rem; }
p { margin: 0 0 1.25rem; opacity: .75; font-size: .9rem; }
form { margin: 0; display: grid; gap: .6rem; }
button, input, select { font: inherit; color: inherit; width: 100%; padding: .6rem .9rem; border-radius: .8rem;
  border: 1px solid var(--line); background: var(--soft); }
button { cursor: pointer; text-align: left; }
button:hover, button:focus-visible { border-color: currentColor; }
button small { opacity: .65; margin-left: .35rem; }
.row { display: grid; grid-template-columns: 1fr auto; gap: .6rem; }
.row button { text-align: center; }
hr { border: 0; border-top: 1px solid var(--line); width: 100%; margin: .5rem 0; }
.deny { text-align: center; background: none; }
label { font-size: .9rem; opacity: .75; }
"""


def authorize_page(query: Mapping[str, str], people: Iterable[Person]) -> str:
    hidden = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(query[name])}">' for name in query)
    samples = "".join(
        f'<button name="as" value="{escape(person.username)}">{escape(person.name)}'
        f"<small>@{escape(person.username)}</small></button>"
        for person in people
    )
    failures = "".join(f'<option value="{key}">{escape(failure.label)}</option>' for key, failure in FAILURES.items())
    return page(
        "Sign in as …",
        f"""<p>This is a stand-in for X on your own machine. Nothing leaves it.</p>
<form method="post" action="/i/oauth2/authorize">{hidden}
{samples}
<div class="row"><input name="typed" placeholder="any username" aria-label="Username" maxlength="50">
<button name="as" value="">Sign in</button></div>
<hr>
<label for="failure">Let this sign-in fail</label>
<select id="failure" name="failure"><option value="">no</option>{failures}</select>
<button class="deny" name="deny" value="1">Deny</button>
</form>""",
    )


def refusal_page(why: str) -> str:
    return page("Something went wrong", f"<p>{escape(why)}</p>")


def page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><main><h1>{escape(title)}</h1>{body}</main></html>"
    )
