"""Errors of announcements; staff see them, the API has none of its own."""

from core.api.errors import DomainError


class AnnouncementNotFound(DomainError):
    status = 404
    code = "announcement_not_found"
    message = "There is no such announcement."


class AnnouncementWithdrawn(DomainError):
    code = "announcement_withdrawn"
    message = "This announcement is withdrawn already."
