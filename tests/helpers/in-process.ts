import pino from 'pino'
import type { Test } from 'tap'
import { loadConfig } from '../../server/config/load.ts'
import { startServer, type RunningServer } from '../../server/process.ts'
import { makePlace, type ConfigMembers, type Place } from './place.ts'

/** A server inside the test's own process: quicker than a real one, and its code counts for coverage. */
export type InProcessServer = Readonly<{ place: Place; server: RunningServer; url: string; browserUrl: string; adminUrl: string; logs: readonly Readonly<Record<string, unknown>>[] }>

/** Starts a server in this process on free ports; it is closed with the test. `furnish` puts files into its place and adds to the configuration. */
export async function startInProcess(t: Test, members: ConfigMembers = {}, furnish: (place: Place) => ConfigMembers = () => ({})): Promise<InProcessServer> {
  const place = await makePlace(t)
  const added = furnish(place)
  const logs: Record<string, unknown>[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void logs.push(JSON.parse(line) as Record<string, unknown>) })
  const server = await startServer(await loadConfig(place.configure({ ...members, ...added })), log)
  t.teardown(async () => await server.close())
  const { service, browser, admin } = server.listening
  return { place, server, logs, url: `https://localhost:${service.port}`, browserUrl: `https://localhost:${browser.port}`, adminUrl: `http://localhost:${admin.port}` }
}
