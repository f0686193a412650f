/** From a spec to uPlot's options and data. Colours are read at each draw, so a theme needs no rebuild. */
import uPlot from 'uplot';
import { decimal } from '../format/number.ts';
import { colourToken, dash, token } from './palette.ts';
import type { ChartSpec, Marks } from './spec.ts';

const FONT = "11px 'Inter Variable', system-ui, sans-serif";
const FEW_POINTS = 3;
const MOST_DIGITS = 4;
/** From this many points on a line is one pixel wide: it shows more, and costs a third of the drawing. */
const DENSE = 1_000;
/** A click that slips is no zoom. */
const LEAST_ZOOM_PX = 8;

/** The order in which series are drawn: what stands on others first, so that they lie over its foot. */
function order({ series, stacked }: ChartSpec): number[] {
	const places = series.map((_, index) => index);
	return stacked ? places.reverse() : places;
}

/** Each series on the sum of those before it. */
function piled({ x, series }: ChartSpec): (number | null)[][] {
	const sums = new Float64Array(x.length);
	return series.map((one) => x.map((_, at) => (sums[at] = (sums[at] ?? 0) + (one.values[at] ?? 0))));
}

/** The edges of a band stand first, so that the lines lie over it. */
export function dataOf(spec: ChartSpec): uPlot.AlignedData {
	const values = spec.stacked ? piled(spec) : spec.series.map((one) => one.values as (number | null)[]);
	const edges = spec.band ? [spec.band.low as (number | null)[], spec.band.high as (number | null)[]] : [];
	return [spec.x as number[], ...edges, ...order(spec).map((place) => values[place] ?? [])];
}

/** A change of this key needs a new plot; anything else is only new data. */
export function shapeOf({ x, series, kind, stacked, band, marks, axis = 'time' }: ChartSpec): string {
	return `${kind} ${axis} ${x.length < DENSE} ${stacked} ${band !== undefined} ${marks !== undefined} ${series.map((one) => one.name).join('|')}`;
}

function rangeX(spec: ChartSpec): [number, number] {
	if (spec.span) return [spec.span[0], spec.span[1]];
	const [first, last] = [spec.x[0] ?? 0, spec.x.at(-1) ?? 1];
	// Half a bar's room on either side, and some air around a single point.
	const step = spec.x.length > 1 ? (last - first) / (spec.x.length - 1) : 1;
	const air = spec.kind === 'bars' || first === last ? step * 0.6 : 0;
	return [first - air, last + air];
}

/** A tenth of air above and below; a flat line lies in the middle. */
function rangeY(spec: ChartSpec, lowest: number | null, highest: number | null): [number, number] {
	const [min, max] = [lowest ?? 0, highest ?? 1];
	const air = (max - min) * 0.12 || Math.abs(max) * 0.05 || 1;
	const fromZero = spec.fromZero || spec.stacked || spec.kind === 'bars' || (min >= 0 && min < max * 0.3);
	const foot = fromZero ? Math.min(0, min) : min - air;
	return [Math.min(spec.low ?? foot, min), Math.max(spec.high ?? max + air, max)];
}

/** Rings, so that a marked point is told by its form as well. */
function rings(marks: () => Marks | undefined): uPlot.Series.Points {
	return { show: true, filter: () => [...(marks()?.at ?? [])], size: 8, width: 2, stroke: () => token('--bad'), fill: () => token('--panel') };
}

function seriesOf(now: () => ChartSpec, place: number): uPlot.Series {
	const spec = now();
	const colour = () => token(colourToken(place));
	const bars = spec.kind === 'bars';
	const fill = bars ? colour : spec.kind === 'area' ? () => `${colour()}${spec.stacked ? '59' : '2e'}` : undefined;
	return {
		stroke: colour,
		width: bars ? 0 : spec.x.length < DENSE ? 1.6 : 1,
		dash: bars || spec.stacked ? [] : dash(place),
		fill,
		paths: bars ? uPlot.paths.bars?.({ size: [0.7, 12] }) : undefined,
		points:
			spec.marks && place === 0 ? rings(() => now().marks) : { show: (plot) => !bars && plot.data[0].length <= FEW_POINTS, size: 5, fill: colour }
	};
}

/** What is between the edges of a band; or between a stacked area and the one it stands on. */
function bandsOf(spec: ChartSpec): uPlot.Band[] {
	if (spec.band) return [{ series: [2, 1], fill: () => `${token('--c2')}2b` }];
	if (!spec.stacked || spec.kind !== 'area') return [];
	return spec.series.slice(1).map((_, index) => ({ series: [index + 1, index + 2] }));
}

export interface PlotHandlers {
	onCursor: (index: number | null) => void;
	/** A span was drawn with the mouse; left out where the span is fixed. */
	onZoom?: (start: number, end: number) => void;
}

/** Tells the page of a drawn span, and takes the drawing away: the page's span is what moves. */
function zoomed(plot: uPlot, onZoom: PlotHandlers['onZoom']): void {
	const { left, width } = plot.select;
	if (width < LEAST_ZOOM_PX) return;
	plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
	onZoom?.(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
}

/** `spec` is asked for again at each draw, because span and formats move with the data. */
export function optionsOf(
	spec: () => ChartSpec,
	size: { width: number; height: number },
	{ onCursor, onZoom }: PlotHandlers,
	/** Charts of one key share their cursor. */
	sync?: string
): uPlot.Options {
	const { axis: across = 'time', utc } = spec();
	const edges = spec().band ? 2 : 0;
	const axis = { stroke: () => token('--muted'), font: FONT, ticks: { show: false } };
	return {
		...size,
		ms: 1,
		...(utc ? { tzDate: (ms: number) => uPlot.tzDate(new Date(ms), 'UTC') } : {}),
		padding: [8, 16, 0, 0],
		legend: { show: false },
		cursor: {
			y: false,
			drag: { x: onZoom !== undefined, y: false, setScale: false },
			points: { size: (_, at) => (at > edges ? 6 : 0) },
			...(sync ? { sync: { key: sync, setSeries: false } } : {})
		},
		bands: bandsOf(spec()),
		scales: {
			x: { time: across === 'time', range: () => rangeX(spec()) },
			y: { range: (_, low, high) => rangeY(spec(), low, high) }
		},
		axes: [
			{ ...axis, grid: { show: false }, size: 26, space: 64, values: (_, ticks) => ticks.map(spec().formatTick) },
			{
				...axis,
				grid: { stroke: () => token('--line'), width: 1 },
				size: 46,
				space: size.height < 150 ? 22 : 34,
				values: (_, ticks) => ticks.map((tick) => decimal(tick, tickDigits(ticks)))
			}
		],
		series: [{}, ...Array.from({ length: edges }, (): uPlot.Series => ({ width: 0, points: { show: false } })), ...order(spec()).map((place) => seriesOf(spec, place))],
		hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)], setSelect: [(plot) => zoomed(plot, onZoom)] }
	};
}

/** As many decimals as the distance between two ticks needs. */
function tickDigits(ticks: readonly number[]): number {
	const step = Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0));
	for (let digits = 0; digits < MOST_DIGITS; digits += 1) {
		const scaled = step * 10 ** digits;
		if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return digits;
	}
	return MOST_DIGITS;
}
