"""Errors that staff services raise: one class for each condition, with its stable code."""

from core.api.errors import DomainError


class NoSuchJob(DomainError):
    code = "job_not_found"
    status = 404
    message = "No such job."


class AlreadySwitched(DomainError):
    code = "job_already_switched"
    status = 409
    message = "Somebody has done so already."


class JobNotSent(DomainError):
    code = "job_not_sent"
    status = 503
    message = "The queue is away: the job was not sent. It runs at its own time."


class NothingDisputed(DomainError):
    code = "nothing_disputed"
    status = 409
    message = "Nothing of this purchase is disputed, or it was judged already."
