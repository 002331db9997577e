import type { Client } from '../sdk/index.ts'
import type { Sdk } from './output.ts'
import type { Settings } from './settings.ts'
import type { Io, Terminal } from './terminal.ts'

/** What a command works with that needs no server: its settings, and where results go. */
export type Bench = Readonly<{
  settings: Settings
  terminal: Terminal
  io: Io
}>

/** What a command works with once settings and credentials are good: the client of the SDK besides. */
export type Session = Bench & Readonly<{ client: Client; sdk: Sdk }>
