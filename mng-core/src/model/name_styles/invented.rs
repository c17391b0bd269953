//! Names out of books: fantasy, science fiction, demons.

/// Given names of an invented land.
#[rustfmt::skip]
pub(super) static FANTASY_FIRST: &[&str] = &[
    "aelar", "alarin", "anwen", "ardith", "bramwen", "brannoc", "caelia", "calder", "corwin", "dairine",
    "darrow", "elowen", "emrys", "eskel", "fenna", "finnick", "gareth", "gwendal", "halric", "hester",
    "ianthe", "idris", "isolde", "jorunn", "kaelen", "kestra", "lirael", "lorcan", "maelis", "merrin",
    "mirabel", "nerys", "niamh", "odran", "orla", "perrin", "quillan", "ravenna", "rhosyn", "rowan",
    "sabriel", "senna", "sorrel", "tamsin", "tarrant", "thessaly", "torvald", "ulric", "vesper", "wynne",
    "yara", "ysolde", "zephyr",
];

/// Family names of an invented land.
#[rustfmt::skip]
pub(super) static FANTASY_LAST: &[&str] = &[
    "amberfall", "ashbrook", "autumnvale", "blackthorn", "brightwater", "briarwood", "cinderfell",
    "cloudreach", "coldspring", "copperleaf", "crowmantle", "dawnstrider", "deepwell", "duskwalker",
    "eldergrove", "emberlyn", "evenstar", "fairwind", "fallowmere", "farwander", "fernhollow", "firebrand",
    "foxglove", "frostmantle", "glimmerstone", "goldenbough", "greenmantle", "greycloak", "hallowell",
    "hawkridge", "hearthstone", "highmoor", "honeydew", "hollowhill", "ironwood", "ivywatch", "kingsfoil",
    "lakelight", "larkspur", "longstride", "mistwood", "moonwhisper", "nettlebrook", "nightbloom",
    "oakenshade", "oldcastle", "pinecrest", "quicksilver", "rainweaver", "ravenhill", "redfern", "riverrun",
    "rookwood", "rosethorn", "runewright", "sablewing", "shadowmere", "silverleaf", "skylark", "snowdrift",
    "stagheart", "starling", "stonebridge", "stormcrow", "summerfield", "sunhollow", "swiftarrow",
    "tallowby", "thistledown", "thornwall", "torchbearer", "truewater", "underhill", "valebright",
    "wandermoor", "whitebarrow", "wildrose", "willowmere", "windhover", "winterbourne", "wolfsbane",
    "wyrmwood", "yarrowby",
];

/// Places of an invented land.
#[rustfmt::skip]
pub(super) static FANTASY_PLACES: &[&str] = &[
    "aldermoor", "amberhold", "ashenford", "belhaven", "briarkeep", "brindlewood", "candlemere",
    "cinderhall", "coldharbour", "crowhaven", "dawnspire", "deepmarsh", "dragonmoor", "duskhollow",
    "eastwatch", "elderglen", "emberfall", "everdeep", "fairhollow", "farrowdale", "fernmarch", "foxhollow",
    "frostgate", "glimmerfen", "goldmere", "greywater", "hallowmoor", "hawkspire", "highmere", "hollowkeep",
    "icewatch", "ironvale", "kestrelfell", "larkmoor", "lanternhill", "longmarsh", "mistvale",
    "moonharbour", "mosshaven", "nightfen", "northspire", "oakhollow", "oldmere", "ravenspire", "redmarsh",
    "rookfell", "runehaven", "sablemoor", "seawatch", "silverglen", "skyhold", "snowmere", "southfen",
    "starhollow", "stonefen", "stormwatch", "sunmoor", "swanmere", "thornkeep", "tidewatch", "umberdale",
    "vesperholm", "westmarch", "whitefell", "wildmoor", "willowfen", "windspire", "winterhold",
    "wyrmhollow",
];

/// Given names of a later century.
#[rustfmt::skip]
pub(super) static SCIFI_FIRST: &[&str] = &[
    "adira", "alix", "andar", "ariox", "astra", "aurix", "axel", "brax", "caden", "calix", "ceres", "cira",
    "corvan", "cyra", "dax", "deneb", "deva", "ecto", "elara", "electra", "enyo", "evo", "fenix", "galen",
    "halo", "helix", "ion", "iris", "ivo", "jaxon", "juno", "kael", "kira", "koda", "lumen", "lyra", "mira",
    "nadir", "neva", "nix", "nova", "nyx", "onyx", "orion", "oryn", "pax", "petra", "phaedra", "quill",
    "rhea", "rigel", "rune", "saros", "sela", "sirius", "soren", "taro", "tess", "theta", "thora", "tycho",
    "vela", "vex", "vega", "vira", "xan", "xenia", "yara", "zara", "zenith", "zion",
];

/// Family names of a later century.
#[rustfmt::skip]
pub(super) static SCIFI_LAST: &[&str] = &[
    "aldrane", "andromed", "arcturan", "argent", "asteri", "axion", "balthane", "beacon", "binarrow",
    "bolide", "burnside", "calyx", "carrick", "chronos", "cinder", "coldiron", "corona", "cosmar",
    "cygnine", "darkmatter", "deepcore", "driftwood", "dunewalker", "eclipsar", "emberline", "etherton",
    "eventide", "exonaut", "farsight", "fluxley", "forgeheart", "fusion", "galactar", "gravis", "greyfield",
    "halcyon", "heliox", "highorbit", "horizon", "hullbreaker", "hypernaut", "icarine", "infinity",
    "ionhart", "jumpgate", "keplar", "kuiper", "lagrange", "lightfoot", "lodestar", "longhaul", "lunaris",
    "magnetar", "marsden", "mercurian", "meridian", "metrion", "nebulon", "neutrine", "nightfall",
    "nullfield", "oberon", "obsidian", "offworld", "omicron", "orbital", "outbound", "parallax", "parsec",
    "perihel", "photon", "plasmar", "polaris", "prism", "protonix", "pulsar", "quantum", "quasar", "radian",
    "redshift", "ringworld", "rocketon", "sabine", "saturnine", "seldane", "singular", "skyfall",
    "solstice", "spacewright", "spectra", "starfield", "starlane", "stellaris", "sundive", "synapse",
    "tachyon", "terminus", "thruster", "titanis", "tycheon", "umbral", "vacuum", "vanguard", "vector",
    "voidwalker", "warpwell", "wavefront", "xenon", "zerograv", "zodiac",
];

/// Ships, stations and worlds of a later century.
#[rustfmt::skip]
pub(super) static SCIFI_PLACES: &[&str] = &[
    "aphelion-station", "argo-prime", "arclight", "ascension", "asteria-base", "beacon-nine", "blue-shift",
    "borealis", "cadence", "calypso-station", "carrack", "celestine", "coldstar", "copernic", "corvid",
    "daybreak", "deepfield", "distant-shore", "driftstar", "earthrise", "endeavour-two", "epoch", "equinox",
    "evenfall", "far-horizon", "firstlight", "foundry-moon", "free-orbit", "frontier-six", "ganymed",
    "gatehouse", "gravity-well", "halo-station", "heliopause", "hestia-dock", "iceworld", "icarus-field",
    "ion-harbour", "keystone-orbit", "lagrange-five", "last-light", "lightsail", "long-night", "lunar-gate",
    "marsport", "meridian-ring", "morningstar", "nebula-dock", "nightside", "nova-haven", "oasis-station",
    "outer-ring", "outpost-seven", "parallel", "perigee", "pioneer-base", "quiet-sun", "red-planet",
    "relay-four", "ringside", "sandworld", "solar-reach", "spindle", "starfall", "starhaven", "sungrazer",
    "terminal-moon", "third-moon", "tidelock", "traverse", "twin-suns", "umbra-station", "vagabond",
    "waypoint-two", "zenith-port",
];

/// Demons and other bad company of old books.
#[rustfmt::skip]
pub(super) static DEMONS: &[&str] = &[
    "abaddon", "abraxas", "agares", "aim", "alastor", "alloces", "amdusias", "amon", "amy", "andras",
    "andrealphus", "andromalius", "asmodeus", "astaroth", "azazel", "baal", "balam", "balban", "barbas",
    "barbatos", "bathin", "beelzebub", "behemoth", "beleth", "belial", "belphegor", "berith", "bifrons",
    "botis", "buer", "bune", "camio", "cimeies", "crocell", "dantalion", "decarabia", "eligos", "flauros",
    "focalor", "foras", "forneus", "furcas", "furfur", "gaap", "gamigin", "glasya", "gremory", "gusion",
    "haagenti", "halphas", "haures", "ipos", "lamia", "legion", "leraje", "leviathan", "lilith", "lucifuge",
    "malphas", "mammon", "marax", "marbas", "marchosias", "mephisto", "moloch", "morax", "murmur",
    "naberius", "orias", "orobas", "ose", "paimon", "phenex", "procel", "purson", "raum", "ronove",
    "sabnock", "sallos", "samael", "seere", "shax", "sitri", "stolas", "succor", "uvall", "valac",
    "valefor", "vapula", "vassago", "vepar", "vine", "vual", "zagan", "zepar",
];
