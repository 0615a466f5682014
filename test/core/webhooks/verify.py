"""Verifies one message with the official Python library: reads {secret, headers, body} as JSON, prints the payload."""

import json
import sys

from standardwebhooks.webhooks import Webhook

message = json.load(sys.stdin)
print(json.dumps(Webhook(message["secret"]).verify(message["body"], message["headers"])))
