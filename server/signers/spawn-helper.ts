/**
 * The helper process: starts commands for the server, because a fork of the server itself would stall it in proportion to its memory.
 * It lives as long as the channel to the server. Signals that a terminal or a service manager sends to everybody it ignores: the server
 * decides when its runs are over. However this process ends by itself, no command it started outlives it.
 */
import { startCommand } from './run-command.ts'
import type { StartedCommand } from './run-command.ts'
import type { HelperAnswer, HelperRequest } from './spawn-protocol.ts'

const running = new Map<number, StartedCommand>()

function answer(message: HelperAnswer): void {
  // A failed send means that the server is gone; `disconnect` follows and ends everything.
  process.send?.(message, undefined, undefined, () => {})
}

function start({ id, run }: Extract<HelperRequest, { kind: 'run' }>): void {
  const command = startCommand(run, (result) => {
    running.delete(id)
    answer({ kind: 'ended', id, result })
  })
  running.set(id, command)
  if (command.pid !== undefined) answer({ kind: 'started', id, pid: command.pid })
}

// What commands write is for nobody but the server.
process.umask(0o077)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('exit', () => {
  for (const command of running.values()) command.cancel()
})
process.on('disconnect', () => process.exit())
process.on('message', (request: HelperRequest) => {
  switch (request.kind) {
    case 'run':
      return start(request)
    case 'cancel':
      return running.get(request.id)?.cancel()
    case 'ping':
      return answer({ kind: 'pong', id: request.id })
    case 'close':
      return process.exit()
  }
})
