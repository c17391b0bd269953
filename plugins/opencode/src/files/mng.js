// Tells mng what this OpenCode does: markers of turns and of questions, the session that is in use, and all
// messages as they are completed. mng writes this file; changes to it are lost. Event names and shapes are
// those of OpenCode 1.18.33.
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const state = process.env.MNG_AGENT_STATE_DIR
const at = (...parts) => join(state, ...parts)
const LOG = "logs/opencode_transcript/events.jsonl"

const parents = new Map() // session id -> id of the session that started it, or null
const busy = new Set() // ids of the sessions that work
const asked = new Map() // request id -> { session, kind }
const open = new Map() // message id -> { info, parts }
const written = new Set() // ids of messages that are in the log

const read = (name) => {
  try {
    return readFileSync(at(name), "utf8")
  } catch {
    return undefined
  }
}

const put = (name, text) => {
  const file = at(name)
  writeFileSync(`${file}.${process.pid}`, text, { mode: 0o600 })
  renameSync(`${file}.${process.pid}`, file)
}

const drop = (name) => rmSync(at(name), { force: true })

// Whoever watches the host looks at the agent at once.
const tell = () => {
  const host = process.env.MNG_HOST_DIR
  if (!host) return
  const file = join(host, "events/mng/activity/events.jsonl")
  const event = {
    source: "mng/activity",
    type: "activity",
    event_id: `evt-${crypto.randomUUID().replaceAll("-", "")}`,
    timestamp: new Date().toISOString(),
    agent_id: process.env.MNG_AGENT_ID,
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  appendFileSync(file, JSON.stringify(event) + "\n", { mode: 0o600 })
}

let shown = { active: false, blocked: "" }
const show = () => {
  const active = busy.size > 0
  const blocked = active ? ([...asked.values()][0]?.kind ?? "") : ""
  if (active === shown.active && blocked === shown.blocked) return
  // A reader between two steps must not see a turn without its question.
  if (blocked && blocked !== shown.blocked) put("permissions_waiting", blocked)
  if (active && !shown.active) put("active", "")
  if (!active && shown.active) drop("active")
  if (!blocked && shown.blocked) drop("permissions_waiting")
  shown = { active, blocked }
  tell()
}

const log = (info, parts) => {
  if (written.has(info.id)) return
  written.add(info.id)
  const parent = parents.get(info.sessionID) ?? null
  const line = JSON.stringify({ type: "message", id: info.id, parent, version, info, parts }) + "\n"
  appendFileSync(at(LOG), line, { mode: 0o600 })
}

// A message of the user is complete with its parts, which come together but may come much later than it.
const flush = (session) => {
  for (const [id, { info, parts }] of open) {
    if (info?.role !== "user" || info.sessionID !== session || parts.size === 0) continue
    open.delete(id)
    log(info, [...parts.values()])
  }
}

const message = (id) => {
  if (!open.has(id)) open.set(id, { info: undefined, parts: new Map() })
  return open.get(id)
}

let root
const use = (session) => {
  if (session === root || parents.get(session)) return
  root = session
  put("opencode_root_session", session)
}

let model
const note = (info) => {
  const now = JSON.stringify({ model: `${info.providerID}/${info.modelID}`, effort: info.variant ?? null, fast: null })
  if (now === model) return
  model = now
  put("model_state.json", now)
}

const idle = (session) => {
  busy.delete(session)
  for (const [id, request] of asked) if (request.session === session) asked.delete(id)
}

const on = {
  "session.created": ({ info }) => parents.set(info.id, info.parentID ?? null),
  "session.updated": ({ info }) => parents.set(info.id, info.parentID ?? null),
  "session.deleted": ({ info }) => {
    idle(info.id)
    if (info.id !== root) return
    root = undefined
    drop("opencode_root_session")
  },
  "session.status": ({ sessionID, status }) => {
    flush(sessionID)
    if (status.type === "idle") return idle(sessionID)
    busy.add(sessionID)
    use(sessionID)
  },
  "session.idle": ({ sessionID }) => idle(sessionID),
  "message.updated": ({ info }) => {
    if (written.has(info.id)) return
    const { parts } = Object.assign(message(info.id), { info })
    if (info.role === "assistant" && (info.time.completed || info.error)) {
      flush(info.sessionID)
      open.delete(info.id)
      log(info, [...parts.values()])
      note(info)
    }
  },
  "message.part.updated": ({ part }) => {
    if (written.has(part.messageID)) return
    const { info, parts } = message(part.messageID)
    parts.set(part.id, part)
    if (info?.role === "user") setTimeout(() => flush(info.sessionID), 100)
  },
  "message.part.removed": ({ messageID, partID }) => open.get(messageID)?.parts.delete(partID),
  "message.removed": ({ messageID }) => open.delete(messageID),
  "permission.asked": ({ id, sessionID }) => asked.set(id, { session: sessionID, kind: "permission" }),
  "permission.replied": ({ requestID, permissionID }) => asked.delete(requestID ?? permissionID),
  "question.asked": ({ id, sessionID }) => asked.set(id, { session: sessionID, kind: "question" }),
  "question.replied": ({ requestID }) => asked.delete(requestID),
  "question.rejected": ({ requestID }) => asked.delete(requestID),
}

let version = null

const ownVersion = async (serverUrl) => {
  const login = Buffer.from(`opencode:${process.env.OPENCODE_SERVER_PASSWORD}`).toString("base64")
  const headers = { authorization: `Basic ${login}` }
  const response = await fetch(new URL("/global/health", serverUrl), { headers })
  return (await response.json()).version ?? null
}

// What was said while nobody wrote it down: before a crash, or under another agent.
const catchUp = async (client) => {
  for (const line of (read(LOG) ?? "").split("\n")) {
    const id = /^\{"type":"message","id":"([^"]*)"/.exec(line)?.[1]
    if (id) written.add(id)
  }
  if (!root) return
  const told = await client.session.messages({ path: { id: root } })
  for (const { info, parts } of told.data ?? []) if (!busy.has(root)) log(info, parts)
}

// The message that the agent was made with.
const begin = async (client) => {
  if (read("initial_prompt") === undefined) return
  if (!root) use((await client.session.create({ body: {} })).data.id)
  renameSync(at("initial_prompt"), at("initial_prompt.sent"))
  const body = { parts: [{ type: "text", text: read("initial_prompt.sent") }] }
  const sent = await client.session.promptAsync({ path: { id: root }, body })
  if (sent.error) renameSync(at("initial_prompt.sent"), at("initial_prompt"))
}

// One process speaks for the agent. Another OpenCode that it starts inherits its variables.
const isMain = () => {
  if (!state || !process.env.MNG_OPENCODE_MAIN) return false
  try {
    writeFileSync(at("opencode_pid"), String(process.pid), { flag: "wx", mode: 0o600 })
    return true
  } catch {
    return read("opencode_pid") === String(process.pid)
  }
}

let isUp = false

export const Mng = async ({ client, serverUrl }) => {
  if (!isMain()) return {}
  if (!isUp) {
    isUp = true
    mkdirSync(dirname(at(LOG)), { recursive: true, mode: 0o700 })
    root = read("opencode_root_session")?.trim() || undefined
    setTimeout(async () => {
      try {
        version = await ownVersion(serverUrl)
        await catchUp(client)
        put("opencode_server_port", String(new URL(serverUrl).port))
        put("opencode_ready", "")
        await begin(client)
      } catch (error) {
        appendFileSync(at("logs/opencode_plugin.log"), `${new Date().toISOString()} ${error?.stack ?? error}\n`)
      }
    }, 0)
  }
  return {
    event: async ({ event }) => {
      on[event.type]?.(event.properties)
      show()
    },
  }
}
