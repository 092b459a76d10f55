/**
 * Our own counts, exported by the reader that the SDK builds from the environment. They are kept in
 * plain numbers and typed arrays, which the SDK's instruments could only copy, histograms not even
 * that; a reader asks further producers for what they have (`MetricReader`'s `metricProducers`), and
 * `NodeSDK` has no option to name one. So the list of the reader it has built is reached for here,
 * and nowhere else; a test sees when a release of the SDK has moved it.
 */
import type { NodeSDK, NodeSDKConfiguration } from '@opentelemetry/sdk-node';

type MetricReader = NonNullable<NodeSDKConfiguration['metricReaders']>[number];

/** Answers with everything there is to export, each time it is asked. */
export type MetricSource = Parameters<MetricReader['setMetricProducer']>[0];

/** false: the SDK keeps its readers elsewhere now, and nothing will be exported. */
export function addMetricSource(sdk: NodeSDK, source: MetricSource): boolean {
  const { _meterProviderConfig: config } = sdk as unknown as {
    _meterProviderConfig?: { readers?: readonly { _metricProducers?: MetricSource[] }[] };
  };
  const lists = (config?.readers ?? []).map(({ _metricProducers: producers }) => producers);
  for (const producers of lists) producers?.push(source);
  return lists.length > 0 && lists.every(Array.isArray);
}
