import SerializerSelector from '@fastify/fast-json-stringify-compiler'

type Compile = SerializerSelector.SerializerCompiler

const factory = SerializerSelector()

/**
 * Builds the compiler of serializers, which compiles each when the first answer needs it. There are over two hundred, one for each status of
 * each route, most of which no server ever uses; they would take longer than the rest of the start.
 */
export function buildSerializer(externalSchemas: unknown, options: SerializerSelector.Options): Compile {
  const compile = factory(externalSchemas, options)
  return (route) => {
    let serialize: SerializerSelector.Serializer | undefined
    return (value: unknown) => (serialize ??= compile(route))(value)
  }
}
