import { type FilterMaker, switchedOn } from '../filter.ts'
import { typed } from '../values.ts'

/** What makes gRPC of other things. */

export const grpcWebFilter: FilterMaker = ({ grpcWeb }) =>
  grpcWeb
    ? [
        {
          place: 'grpc-web',
          name: 'envoy.filters.http.grpc_web',
          config: typed('envoy.extensions.filters.http.grpc_web.v3.GrpcWeb'),
          onRoute: switchedOn,
        },
      ]
    : []

const transcoder = 'envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder'

export const transcodeFilter: FilterMaker = ({ transcode }) => {
  if (!transcode) return []
  const { descriptorFile, services, everyMethod, protoNames, defaults, enumNumbers, ignoreQuery } = transcode
  return [
    {
      place: 'transcode',
      name: 'envoy.filters.http.grpc_json_transcoder',
      // Without services it does nothing.
      config: typed(transcoder, { proto_descriptor_bin: '' }),
      onRoute: typed(transcoder, {
        proto_descriptor: descriptorFile,
        services,
        // The call goes where the JSON's path was routed.
        match_incoming_request_route: true,
        convert_grpc_status: true,
        auto_mapping: everyMethod,
        ignore_unknown_query_parameters: ignoreQuery,
        // What is no call is refused here; a gRPC server could make nothing of it.
        request_validation_options: { reject_unknown_method: true, reject_unknown_query_parameters: !ignoreQuery },
        print_options: {
          preserve_proto_field_names: protoNames,
          always_print_primitive_fields: defaults,
          always_print_enums_as_ints: enumNumbers,
        },
      }),
    },
  ]
}
