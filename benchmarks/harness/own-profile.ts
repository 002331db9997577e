import { mkdir, writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import type { Bench } from './benchmark.ts'

const connected = new Set<Session>()

/** Where profiles are wanted, profiles this thread from now to the end of the benchmark, for what a benchmark does by itself and not in a server. */
export async function profileOwnThread({ profileFolder, opened }: Pick<Bench, 'profileFolder' | 'opened'>, name: string): Promise<void> {
  if (profileFolder === undefined) return
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  opened.defer(async () => {
    const { profile } = await session.post('Profiler.stop')
    // The session stays: one that is disconnected would end the coverage of the whole thread with it.
    connected.add(session)
    await mkdir(profileFolder, { recursive: true })
    await writeFile(join(profileFolder, `${name}.cpuprofile`), JSON.stringify(profile))
  })
}
