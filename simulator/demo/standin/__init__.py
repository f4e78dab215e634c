"""A stand-in staging: backend, auth and frontend on three ports of this machine.

`running()` serves it for as long as a block lasts, `python -m simulator.demo.standin` until interrupted.

Behind the backend stand real components that use each other. Take one away, and the system fails by itself,
where the missing one is needed; nothing is scripted. What a client then sees was observed, and the tests keep it
true. The WebSocket is accepted in every row, also where /health says 503: handshake_validation, system_message and
ping come first, and JSON pings go on until two minutes have passed without a pong.

======================  =======  ================  ============  ==========================================
missing since startup   /health  /health/database  /api/threads  after start_agent
======================  =======  ================  ============  ==========================================
(nothing)               200      200               200           the five events
database                503      503               500           silence
db_session_factory      200      200               500           silence
llm_manager             200      200               200           silence
tool_dispatcher         200      200               200           silence
agent_registry          200      200               200           silence
agent_supervisor        200      200               200           silence
orchestrator            200      200               200           1011 Internal error
websocket_bridge        200      200               200           silence, though the run is done and stored
======================  =======  ================  ============  ==========================================

The orchestrator is missed when the first event is to be sent, `llm.PLANNING_SECONDS` after the request. The fifth
request in a row that nobody handles ends the connection with 1000.

======================  =======  ================  ============  ==========================================
taken away while up     /health  /health/database  /api/threads  after start_agent
======================  =======  ================  ============  ==========================================
database                200      503               500           1011 Internal error
db_session_factory      200      200               500           1011 Internal error
llm_manager             200      200               200           1011 Internal error
tool_dispatcher         200      200               200           three events, 1011 Internal error
agent_registry          200      200               200           1011 Internal error
agent_supervisor        200      200               200           1011 Internal error
orchestrator            200      200               200           1011 Internal error
websocket_bridge        200      200               200           silence, though the run is done and stored
======================  =======  ================  ============  ==========================================

A component may also be there and do its work badly. While the llm_manager is `slow`, every event of a run is late;
while it is `stuck`, a run begins and does not go on, and agents over HTTP answer with a canned success. While the
supervisor is forever `starting`, connections are told so after the welcome, and requests are met by silence.

/api/threads is asked with a valid token. Five rows of the first table look alike because the supervisor cannot be
built without its session factory, LLM, tools and registry, and startup then goes on without a supervisor.
"""

from simulator.demo.standin.auth import BYPASS_KEY
from simulator.demo.standin.server import Standin, running
from simulator.demo.standin.system import COMPONENTS, MODES, System, build

__all__ = ["BYPASS_KEY", "COMPONENTS", "MODES", "Standin", "System", "build", "running"]
