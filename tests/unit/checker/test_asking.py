# SPDX-License-Identifier: Apache-2.0
"""What is asked when, and what is remembered.

Factors: previous result (none, unfinished, failed, final, ok) x time x answers (all, some, of the registry).
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from d8registry.checker.asking import Ask, fold_answers, plan_asks
from d8registry.checker.message import summarise
from d8registry.checker.outcome import REMEDIES, Answer, Outcome
from d8registry.checker.question import (
    ImagesQuestion,
    build_images_question,
    build_proxy_question,
    parse_questions,
    render_questions,
)
from d8registry.checker.result import CheckResult, parse_results, render_results
from d8registry.errors import InvalidObject
from d8registry.model.cluster import ProxyPod
from d8registry.model.endpoint import Credentials, Endpoint
from d8registry.model.image import RequiredImage
from d8registry.model.secret import Secret

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OK = Answer(outcome=Outcome.OK)
MISSING = Answer(outcome=Outcome.MISSING, message="HTTP 404")
REFUSED = Answer(outcome=Outcome.UNAUTHENTICATED, message="HTTP 401")
ENDPOINT = Endpoint(
    host="r.test", path="/deckhouse/ee", credentials=Credentials(username="u", password=Secret("hunter2"))
)
IMAGES = tuple(
    RequiredImage(reference=f"sha256:{number:064x}", owner=f"module m, image {number}") for number in range(4)
)
QUESTION = build_images_question(ENDPOINT, IMAGES)
PODS = (ProxyPod(name="proxy-b", ip="10.0.0.2", ready=True), ProxyPod(name="proxy-a", ip="10.0.0.1", ready=False))
PROXY = build_proxy_question(
    PODS,
    upstream_generation="2",
    users_generation="2",
    users=[ENDPOINT.credentials, Credentials()],
    reference="sha256:1",
    ca="PEM",
)


def fold(
    answers: dict[int, Answer],
    of_registry: Answer | None = None,
    *,
    previous: CheckResult | None = None,
    now: datetime = NOW,
    question: ImagesQuestion = QUESTION,
) -> CheckResult:
    results = {} if previous is None else {previous.key: previous}
    (ask,) = plan_asks([question], results, now)
    return fold_answers(ask, answers, of_registry, now)


def test_a_key_names_everything_that_was_asked_but_not_in_clear() -> None:
    other_password = replace(ENDPOINT, credentials=Credentials(username="u", password=Secret("hunter3")))
    keys = {
        QUESTION.key,
        build_images_question(other_password, IMAGES).key,
        build_images_question(ENDPOINT, IMAGES[:3]).key,
        build_images_question(ENDPOINT, IMAGES, nonce="retry-1").key,
        build_images_question(replace(ENDPOINT, ca="PEM"), IMAGES).key,
    }
    assert len(keys) == 5
    assert build_images_question(ENDPOINT, reversed(IMAGES)) == QUESTION
    assert "hunter2" not in QUESTION.key


def test_a_proxy_question_does_not_change_with_the_order_or_readiness_of_pods() -> None:
    again = build_proxy_question(
        [replace(pod, ready=not pod.ready) for pod in reversed(PODS)],
        upstream_generation="2",
        users_generation="2",
        users=PROXY.users,
        reference="sha256:1",
        ca="PEM",
    )
    assert again == PROXY


def test_questions_read_back_as_written_and_equal_input_gives_equal_bytes() -> None:
    text = render_questions([PROXY, QUESTION, QUESTION])
    assert parse_questions(text) == (QUESTION, PROXY)
    assert text == render_questions([QUESTION, PROXY])
    assert parse_questions("") == ()


@pytest.mark.parametrize("text", ["{", '[{"kind":"other"}]', "[1]", '[{"kind":"images","key":"k"}]'])
def test_unreadable_questions_name_the_secret(text: str) -> None:
    with pytest.raises(InvalidObject, match="registry-questions"):
        parse_questions(text)


def test_a_new_question_is_asked_in_full_the_proxy_first() -> None:
    assert plan_asks([QUESTION, PROXY], {}, NOW) == (
        Ask(question=PROXY, indexes=(0, 1, 2, 3, 4, 5)),
        Ask(question=QUESTION, indexes=(0, 1, 2, 3)),
    )


def test_everything_found_is_never_asked_again() -> None:
    result = fold(dict.fromkeys(range(4), OK))
    assert (result.ok, result.found, result.total, result.open) == (True, 4, 4, ())
    assert plan_asks([QUESTION], {QUESTION.key: result}, NOW + timedelta(days=1)) == ()


def test_an_unfinished_answer_goes_on_at_once_where_it_stopped() -> None:
    first = fold({0: OK, 1: MISSING})
    assert (first.done, first.ok, first.open) == (False, False, (1, 2, 3))
    (ask,) = plan_asks([QUESTION], {QUESTION.key: first}, NOW)
    assert ask.indexes == (2, 3)
    second = fold_answers(ask, {2: OK, 3: OK}, None, NOW)
    assert (second.done, second.ok, second.open, second.attempt) == (True, False, (1,), 1)
    assert [problem.outcome for problem in second.problems] == [Outcome.MISSING]


def test_an_unfinished_run_that_learnt_nothing_is_not_taken_for_finished() -> None:
    result = fold({})
    assert (result.done, result.ok, result.found, result.next_at) == (False, False, 0, NOW)


def test_a_failure_is_asked_again_only_when_due_and_only_what_is_open() -> None:
    failed = fold({0: OK, 1: MISSING, 2: OK, 3: OK})
    assert plan_asks([QUESTION], {QUESTION.key: failed}, NOW + timedelta(seconds=9)) == ()
    due = NOW + timedelta(seconds=10)
    assert plan_asks([QUESTION], {QUESTION.key: failed}, due)[0].indexes == (1,)
    healed = fold({1: OK}, previous=failed, now=due)
    assert (healed.ok, healed.attempt, healed.problems) == (True, 2, ())


def test_pauses_double_up_to_five_minutes() -> None:
    pauses, result, now = [], None, NOW
    for _ in range(8):
        result = fold({0: OK, 1: MISSING, 2: OK, 3: OK} if result is None else {1: MISSING}, previous=result, now=now)
        pauses.append(int((result.next_at - now).total_seconds()))
        now = result.next_at
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_registrys_own_wish_to_wait_is_respected() -> None:
    limited = fold({0: OK}, Answer(outcome=Outcome.RATE_LIMITED, message="HTTP 429", retry_after=900))
    assert limited.next_at == NOW + timedelta(seconds=900)
    assert (limited.done, limited.final, limited.open) == (True, False, (1, 2, 3))


def test_a_refused_password_is_final_until_the_key_changes() -> None:
    result = fold({}, REFUSED)
    assert (result.done, result.ok, result.final) == (True, False, True)
    assert plan_asks([QUESTION], {QUESTION.key: result}, NOW + timedelta(days=1)) == ()
    retried = build_images_question(ENDPOINT, IMAGES, nonce="now")
    assert plan_asks([retried], {QUESTION.key: result}, NOW) != ()


def test_a_proxy_is_asked_in_full_again_soon() -> None:
    (ask,) = plan_asks([PROXY], {}, NOW)
    answers = dict.fromkeys(range(6), OK) | {4: Answer(outcome=Outcome.UNAUTHENTICATED, message="HTTP 401")}
    result = fold_answers(ask, answers, None, NOW)
    assert (result.done, result.ok, result.final, result.found, result.total) == (True, False, False, 5, 6)
    assert (result.problems[0].reference, result.problems[0].owner) == ("Pod d8-system/proxy-b", "user u")
    (again,) = plan_asks([PROXY], {PROXY.key: result}, NOW + timedelta(seconds=2))
    assert again.indexes == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("answers", [{}, {0: OK, 1: MISSING}, dict.fromkeys(range(4), OK)])
def test_results_read_back_as_written(answers: dict[int, Answer]) -> None:
    result = fold(answers)
    text = render_results([result])
    assert parse_results(text) == {QUESTION.key: result}
    assert json.loads(text)[0]["ok"] is result.ok
    assert parse_results("") == {}


def test_unreadable_results_name_the_secret() -> None:
    with pytest.raises(InvalidObject, match="registry-checks"):
        parse_results('[{"key":"k"}]')


def test_the_summary_names_registry_image_owner_count_and_what_to_do() -> None:
    text = summarise(fold({0: OK, 1: MISSING, 2: OK, 3: OK}))
    assert text == (
        "r.test/deckhouse/ee: 3 of 4 images found; r.test/deckhouse/ee@sha256:"
        f"{1:064x} (module m, image 1): missing: HTTP 404. To do: push the missing images, or correct imagesRepo"
    )


@pytest.mark.parametrize(
    ("result", "part"),
    [
        (fold(dict.fromkeys(range(4), OK)), "4 of 4 images found"),
        (fold({0: OK}), "1 of 4 images found, still asking"),
        (fold(dict.fromkeys(range(4), MISSING)), "and 1 more"),
        (fold({}, REFUSED), "unauthenticated: HTTP 401; correct username and password"),
    ],
    ids=["ok", "unfinished", "many", "refused"],
)
def test_the_summary_fits_each_state_and_tells_no_secret(result: CheckResult, part: str) -> None:
    assert part in summarise(result)
    assert "hunter2" not in summarise(result) + repr(result) + repr(QUESTION)


def test_every_failure_has_something_to_do() -> None:
    assert set(REMEDIES) == set(Outcome) - {Outcome.OK}


def test_a_watched_registry_is_asked_again_after_its_time_and_two_failures_in_a_row_are_counted() -> None:
    images = [RequiredImage(reference="v1")]
    question = build_images_question(ENDPOINT, images, every_seconds=10)
    (first,) = plan_asks([question], {}, NOW)
    results = {question.key: fold_answers(first, {0: Answer(outcome=Outcome.OK)}, None, NOW)}
    assert plan_asks([question], results, NOW + timedelta(seconds=9)) == ()
    at = NOW + timedelta(seconds=10)
    (again,) = plan_asks([question], results, at)
    results = {question.key: fold_answers(again, {}, Answer(outcome=Outcome.TIMEOUT), at)}
    assert results[question.key].attempt == 1
    at += timedelta(minutes=1)
    (third,) = plan_asks([question], results, at)
    assert fold_answers(third, {}, Answer(outcome=Outcome.TIMEOUT), at).attempt == 2
