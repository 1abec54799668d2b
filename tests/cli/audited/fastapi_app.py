from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from outgoing import call_all

app = FastAPI()


@app.api_route("/", methods=["GET", "POST"])
async def index(request: Request) -> str:
    body = await request.body()
    await run_in_threadpool(call_all, request.url.query, request.headers, body)
    return "ok"
