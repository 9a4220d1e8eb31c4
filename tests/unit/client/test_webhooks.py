"""The signature of a callback; the test vector is the one of the Standard Webhooks libraries."""

from typing import ClassVar

import pytest

from gristmill.client import SignatureError, verify_callback


class TestACallback:
    SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    BODY = b'{"test": 2432232314}'
    HEADERS: ClassVar[dict[str, str]] = {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1a,AAAA v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    def test_is_believed_when_one_of_the_secrets_signed_it(self) -> None:
        other = "whsec_" + "A" * 32
        body = verify_callback(self.HEADERS, self.BODY, [other, self.SECRET], tolerance=1e12)
        assert body == {"test": 2432232314}

    @pytest.mark.parametrize(
        ("headers", "body", "tolerance"),
        [
            ({}, BODY + b" ", 1e12),
            ({"Webhook-Id": "msg_other"}, BODY, 1e12),
            ({"Webhook-Timestamp": "1614265331"}, BODY, 1e12),
            ({"Webhook-Timestamp": "now"}, BODY, 1e12),
            ({"Webhook-Signature": "v1,%%% v2,x"}, BODY, 1e12),
            ({}, BODY, 300),
        ],
    )
    def test_is_not_believed_when_anything_of_it_differs(
        self, headers: dict[str, str], body: bytes, tolerance: float
    ) -> None:
        with pytest.raises(SignatureError):
            verify_callback(self.HEADERS | headers, body, self.SECRET, tolerance=tolerance)

    def test_is_refused_with_a_secret_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="whsec_ and base64"):
            verify_callback(self.HEADERS, self.BODY, "whsec_%", tolerance=1e12)
