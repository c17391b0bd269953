// Tells mng what this pi does, and takes messages from mng. mng writes this file; changes to it are lost. Events
// and calls are those of pi 0.74.2. Needs nothing but Node.
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { randomUUID } from "node:crypto"
import { dirname, join } from "node:path"

const state = process.env.MNG_AGENT_STATE_DIR ?? ""
const at = (name: string) => join(state, name)

const read = (name: string) => {
  try {
    return readFileSync(at(name), "utf8")
  } catch {
    return undefined
  }
}

const put = (name: string, text: string) => {
  writeFileSync(`${at(name)}.${process.pid}`, text, { mode: 0o600 })
  renameSync(`${at(name)}.${process.pid}`, at(name))
}

const drop = (name: string) => rmSync(at(name), { force: true })

// Whoever watches the host looks at the agent at once.
const tell = () => {
  const host = process.env.MNG_HOST_DIR
  if (!host) return
  const file = join(host, "events/mng/activity/events.jsonl")
  const event = {
    source: "mng/activity",
    type: "activity",
    event_id: `evt-${randomUUID().replaceAll("-", "")}`,
    timestamp: new Date().toISOString(),
    agent_id: process.env.MNG_AGENT_ID,
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  appendFileSync(file, JSON.stringify(event) + "\n", { mode: 0o600 })
}

// One process speaks for the agent. Another pi that it starts inherits its variables.
const isMain = () => {
  if (!state || process.env.MNG_PI_MAIN === undefined) return false
  try {
    writeFileSync(at("pi_pid"), String(process.pid), { flag: "wx", mode: 0o600 })
    return true
  } catch {
    return read("pi_pid") === String(process.pid)
  }
}

// The lines of the inbox, one JSON string each. Whoever writes appends: what comes after the rename goes to a
// new file.
const takeInbox = () => {
  if (read("pi_inbox") === undefined) return []
  renameSync(at("pi_inbox"), at("pi_inbox.taken"))
  const lines = (read("pi_inbox.taken") ?? "").split("\n").filter((line) => line.trim())
  drop("pi_inbox.taken")
  return lines
}

const textOf = (line: string) => {
  try {
    const text = JSON.parse(line)
    return typeof text === "string" ? text : undefined
  } catch {
    return undefined
  }
}

const note = (line: string) => appendFileSync(at("pi_inbox_history"), line + "\n", { mode: 0o600 })

export default function (pi: any) {
  if (!isMain()) return

  let timer: ReturnType<typeof setInterval> | undefined
  let idle = () => true
  let queue: string[] = []
  // Until when a turn that we have asked for may take to begin; another message would run into it.
  let beginning = 0

  const say = (text: string) => {
    if (!idle()) return pi.sendUserMessage(text, { deliverAs: "steer" })
    beginning = Date.now() + 2000
    pi.sendUserMessage(text)
  }

  const look = () => {
    try {
      queue.push(...takeInbox())
      while (queue.length > 0 && Date.now() >= beginning) {
        const line = queue.shift() as string
        const text = textOf(line)
        if (text !== undefined) say(text)
        note(line)
      }
    } catch (error) {
      appendFileSync(at("pi_extension.log"), `${new Date().toISOString()} ${error}\n`)
    }
  }

  const noteModel = (model: any, level: unknown) => {
    if (!model) return
    const effort = typeof level === "string" && level !== "off" ? level : null
    put("model_state.json", JSON.stringify({ model: `${model.provider}/${model.id}`, effort, fast: null }))
  }

  pi.on("session_start", async (event: any, ctx: any) => {
    idle = () => ctx.isIdle()
    // What nobody took before the program ended was never confirmed to whoever wrote it.
    if (event.reason === "startup") takeInbox().forEach(note)
    const file = ctx.sessionManager.getSessionFile()
    if (file) put("pi_session_file", file)
    noteModel(ctx.model, pi.getThinkingLevel?.())
    const first = read("initial_prompt")
    if (first !== undefined) {
      renameSync(at("initial_prompt"), at("initial_prompt.sent"))
      // The session is bound to its terminal only after this.
      setTimeout(() => say(first), 0)
    }
    put("pi_session_started", "")
    clearInterval(timer)
    timer = setInterval(look, 50)
  })

  pi.on("session_shutdown", async () => {
    clearInterval(timer)
    drop("active")
  })

  pi.on("agent_start", async () => {
    beginning = 0
    put("active", "")
    tell()
  })

  pi.on("agent_end", async () => {
    drop("active")
    tell()
  })

  pi.on("model_select", async (event: any) => noteModel(event.model, pi.getThinkingLevel?.()))
  pi.on("thinking_level_select", async (event: any, ctx: any) => noteModel(ctx.model, event.level))
}
