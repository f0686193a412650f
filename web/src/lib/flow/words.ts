/** What a node says of itself, and the graph of itself. */
import { bytes, compact, count, decimal } from '../format/number.ts';
import type { Tone } from '../live/health.ts';
import type { FlowFigure, FlowGraph, FlowNode, Needed } from '../live/types.ts';
import { STAGES, type Stage } from './graph.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** Of fewer rows the bytes are mostly those of the files they are in. */
const FEWEST = 1_000;

/** How long rows stay: «keeps 7 days». */
export function keeps(keptMs: number | null): string {
	if (keptMs === null) return 'keeps all';
	if (keptMs >= 2 * DAY) return `keeps ${count(Math.round(keptMs / DAY), 'day')}`;
	return `keeps ${count(Math.round(keptMs / HOUR), 'hour')}`;
}

/** The line under a node's name. */
export function kindLine(node: FlowNode, figure: FlowFigure | undefined): string {
	const size = figure?.bytes ? bytes(figure.bytes) : '';
	const rows = figure?.rows ?? null;
	switch (node.stage) {
		case 'sources':
			return [node.kind, rows ? `${compact(rows)} rows` : ''].filter(Boolean).join(' · ');
		case 'bronze':
			return [size || node.kind, keeps(node.kept_ms)].join(' · ');
		case 'silver':
			return [size || node.kind, rows !== null && rows >= FEWEST && figure?.bytes ? `${decimal(figure.bytes / rows, 1)} bytes a row` : ''].filter(Boolean).join(' · ');
		default:
			return [node.kind, size].filter(Boolean).join(' · ');
	}
}

/** The one figure of a node: what it takes in; of a gold, how much it is. */
export function headline(node: FlowNode, figure: FlowFigure | undefined): string {
	if (node.stage === 'gold') return figure?.rows === null || figure?.rows === undefined ? '' : `${compact(figure.rows)} rows`;
	if (figure?.rate === null || figure?.rate === undefined) return '';
	return `${figure.rate > 0 && figure.rate < 10 ? decimal(figure.rate, 1) : compact(Math.round(figure.rate))}/s`;
}

/** Green where data moves, amber where something waits for a person, red where an alert fires. */
export function toneOf(node: FlowNode, figure: FlowFigure | undefined, needed: Needed | null): Tone {
	if (figure?.firing) return 'bad';
	if (node.kind === 'alert') return 'good';
	const fails = needed?.checks.some((check) => check.domain === node.domain && check.name.startsWith(`${node.name}.`)) ?? false;
	if (fails && node.id === `${node.domain}.${node.name}`) return 'warn';
	if (figure?.dead) return 'warn';
	return figure?.rate ? 'good' : 'none';
}

/** What stands beside a column's heading. */
export function columnNote(stage: Stage, nodes: readonly FlowNode[], figures: ReadonlyMap<string, FlowFigure>): string {
	if (stage === 'bronze' || stage === 'silver') {
		const rows = nodes.reduce((sum, node) => sum + (figures.get(node.id)?.rows ?? 0), 0);
		return rows ? `${compact(rows)} rows` : '';
	}
	return nodes.length ? decimal(nodes.length) : '';
}

/** The picture in one sentence. */
export function graphSentence({ nodes }: FlowGraph, rate: number | null): string {
	const of = (stage: Stage) => nodes.filter((node) => node.stage === stage).length;
	const [sources, bronze, silver, gold] = STAGES.map(of) as [number, number, number, number];
	const endpoints = nodes.filter((node) => node.kind === 'endpoint').length;
	const alerts = nodes.filter((node) => node.kind === 'alert').length;
	const sent = rate === null ? '' : ` ${rate > 0 ? `${compact(Math.round(rate))} rows a second` : 'nothing now'}`;
	const serve = [endpoints ? count(endpoints, 'endpoint') : '', alerts ? count(alerts, 'alert') : ''].filter(Boolean).join(' and ');
	return `${count(sources, 'source')} ${sources === 1 ? 'sends' : 'send'}${sent} through ${decimal(bronze)} bronze and ${decimal(silver)} silver into ${decimal(gold)} gold${serve ? `; ${serve} read them` : ''}`;
}
