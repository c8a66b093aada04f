"""The libraries on top of openai's client, each set of those that agree on a version in an environment of its own."""

import nox

nox.options.default_venv_backend = "venv"


def check(session: nox.Session, *packages: str) -> None:
    """Run the tests under the marker `downstream`; those of libraries that are not installed skip."""
    session.install("-e", *packages, env={"DELTAWIRE_REQUIRE_COMPILED": "1"})
    session.run("python", "-m", "pytest", "-m", "downstream", "tests/downstream", *session.posargs)


@nox.session
def downstream(session: nox.Session) -> None:
    """langchain-openai and pydantic-ai, on the newest openai."""
    check(session, ".[test-downstream]")


@nox.session(name="downstream-instructor")
def downstream_instructor(session: nox.Session) -> None:
    """Instructor, whose limit on jiter holds openai back."""
    check(session, ".[test]", "instructor>=1.17", "openai>=3")


@nox.session(name="downstream-litellm")
def downstream_litellm(session: nox.Session) -> None:
    """LiteLLM, which needs openai 2."""
    check(session, ".[test]", "litellm>=1.106", "openai<3")
