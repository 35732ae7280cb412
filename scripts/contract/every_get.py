"""Calls operations of the API with the client that openapi-python-client made, and looks at what it parsed.

Usage: python every_get.py <operationId> ..., with URL, TOKEN and CONNECTION in the environment.
"""

import importlib
import inspect
import os
import pkgutil
import re
import sys
from enum import Enum
from uuid import UUID

import meterline_client.api
from meterline_client import AuthenticatedClient
from meterline_client.models import Problem

# What an operation is given, where it takes that.
GIVEN = {"id": UUID(os.environ["CONNECTION"]), "group_by": "workspace,model", "limit": 2}

modules = {
    found.name.rpartition(".")[2]: found.name
    for found in pkgutil.walk_packages(meterline_client.api.__path__, "meterline_client.api.")
}
client = AuthenticatedClient(base_url=os.environ["URL"], token=os.environ["TOKEN"])

for operation_id in sys.argv[1:]:
    name = re.sub("([A-Z])", r"_\1", operation_id).lower()
    call = importlib.import_module(modules[name]).sync_detailed
    parameters = inspect.signature(call).parameters
    given = {key: value for key, value in GIVEN.items() if key in parameters}
    for key, parameter in parameters.items():
        kind = parameter.annotation
        if parameter.default is inspect.Parameter.empty and isinstance(kind, type) and issubclass(kind, Enum):
            given[key] = next(iter(kind))
    reply = call(client=client, **given)
    if reply.status_code != 200 or reply.parsed is None or isinstance(reply.parsed, Problem):
        sys.exit(f"{name}: {reply.status_code} {reply.content[:500]!r}")
