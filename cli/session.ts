import type { Client } from '../sdk/index.ts'
import type { Sdk } from './output.ts'
import type { Settings } from './settings.ts'
import type { Io, Terminal } from './terminal.ts'

/** What a command works with once settings and credentials are good: the client of the SDK, and where results go. */
export type Session = Readonly<{
  client: Client
  sdk: Sdk
  settings: Settings
  terminal: Terminal
  io: Io
}>
