/** Returns the ports by listener in a log of the server; a line that is not yet complete is not looked at. */
export function portsIn(log: string): ReadonlyMap<string, number> {
  const ports = new Map<string, number>()
  for (const line of log.split('\n').slice(0, -1)) {
    if (!line.includes('"msg":"listening"')) continue
    const { listener, port } = JSON.parse(line) as { listener: string; port: number }
    ports.set(listener, port)
  }
  return ports
}
