"""A broker's log folder is formatted whatever its random id is."""

import uuid

from tools.local_stack import kafka
from tools.local_stack.layout import Layout


def test_an_id_that_begins_with_a_dash_is_an_id_and_no_option(tmp_path, monkeypatch):
    # 0xF8 begins in base64 with the dash; of random ids one in 64 does.
    monkeypatch.setattr(kafka.uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xf8" + b"\0" * 15))
    place = Layout(tmp_path)
    place.prepare()

    kafka.initialise(place, port=29_092, controller_port=29_093)

    assert "cluster.id=-" in (place.kafka_data / "meta.properties").read_text().replace("\\", "")
