"""Gets a token with Microsoft's own library, MSAL for Python, the way any program of Microsoft's customers does.

Reads one JSON object from standard input and prints what MSAL gave, without the token."""

import json
import sys

import msal

settings = json.load(sys.stdin)
app = msal.ConfidentialClientApplication(
    settings["client_id"],
    authority=settings["authority"],
    client_credential=settings["credential"],
    proxies={"https": settings["proxy"]},
    verify=settings["ca_file"],
)
answer = app.acquire_token_for_client(scopes=[settings["scope"]])
token = answer.pop("access_token", None)
print(json.dumps({"token": token is not None, "again": app.acquire_token_for_client(scopes=[settings["scope"]]).get("token_source"), **answer}))
