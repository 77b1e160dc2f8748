"""An application's OpenAPI says what each POST takes, under which header, and how anything is refused."""

import json
import re

from tests.architecture.faces import Face
from tests.architecture.test_every_post_is_idempotent import WITHOUT_KEY

SCHEMAS = "#/components/schemas/"


def test_every_route_describes_how_it_refuses_and_every_post_under_the_layer_what_it_takes(
    face: Face,
) -> None:
    told = face.app.openapi()
    schemas = told["components"]["schemas"]
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            (refused,) = operation["responses"]["default"]["content"].items()
            assert refused == ("application/problem+json", {"schema": {"$ref": SCHEMAS + "Problem"}}), name
            if method == "post" and (face.service, name) not in WITHOUT_KEY:
                headers = [each["name"] for each in operation["parameters"] if each["in"] == "header"]
                assert headers == ["Idempotency-Key"], name
                body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                taken = face.app.bodies()["POST", path].model_json_schema(ref_template=SCHEMAS + "{model}")
                assert schemas[body.removeprefix(SCHEMAS)].get("properties") == taken.get("properties"), name
                assert taken.get("$defs", {}).items() <= schemas.items(), name
    assert set(re.findall(f'{SCHEMAS}([^"]+)', json.dumps(told))) <= set(schemas)
