//! The sky and the map.

/// Stars, moons, planets and constellations.
#[rustfmt::skip]
pub(super) static ASTRONOMY: &[&str] = &[
    "achernar", "acrux", "aldebaran", "algol", "alhena", "alioth", "alkaid", "almach", "alnair", "alnilam",
    "alnitak", "alphard", "alphecca", "alpheratz", "altair", "andromeda", "antares", "aquarius", "aquila",
    "arcturus", "ariel", "auriga", "bellatrix", "betelgeuse", "bootes", "callisto", "canopus", "capella",
    "carina", "castor", "centaurus", "cepheus", "ceres", "cetus", "charon", "corvus", "cygnus", "deimos",
    "deneb", "denebola", "dione", "draco", "dubhe", "elnath", "enceladus", "eris", "europa", "fomalhaut",
    "ganymede", "gemini", "hadar", "haumea", "hercules", "hydra", "hyperion", "iapetus", "io", "izar",
    "juno", "jupiter", "kochab", "lepus", "libra", "lupus", "lyra", "makemake", "markab", "mars", "menkar",
    "mercury", "merak", "mimas", "mira", "mintaka", "miranda", "mirfak", "mizar", "naos", "nereid",
    "neptune", "oberon", "ophiuchus", "orion", "pallas", "pegasus", "perseus", "phobos", "phoebe", "pisces",
    "pluto", "polaris", "pollux", "procyon", "proxima", "puck", "rasalhague", "regulus", "rhea", "rigel",
    "ruchbah", "sadr", "saiph", "saturn", "scheat", "sedna", "shaula", "sirius", "spica", "sulafat",
    "tarazed", "taurus", "tethys", "thuban", "titan", "titania", "triton", "umbriel", "uranus", "vega",
    "venus", "vesta", "vulpecula", "wezen",
];

/// Mountains, rivers, lakes, islands and other places.
#[rustfmt::skip]
pub(super) static PLACES: &[&str] = &[
    "aconcagua", "adriatic", "aegean", "alps", "amazon", "andes", "annapurna", "antarctica", "ararat",
    "arctic", "ardennes", "atacama", "atlas", "azores", "baikal", "balaton", "baltic", "biscay", "borneo",
    "bornholm", "caucasus", "chimborazo", "corsica", "crete", "danube", "denali", "dolomites", "elba",
    "elbe", "elbrus", "etna", "everest", "faroe", "fuji", "galapagos", "ganges", "gobi", "gotland",
    "greenland", "hawaii", "hebrides", "himalaya", "hudson", "iceland", "indus", "jura", "kalahari",
    "kamchatka", "karakoram", "kenai", "kilimanjaro", "kinabalu", "ladoga", "lapland", "loire", "lofoten",
    "logan", "mackenzie", "madagascar", "madeira", "mallorca", "malta", "matterhorn", "mekong",
    "mississippi", "mojave", "murray", "nanga-parbat", "namib", "niger", "nile", "olympus", "orinoco",
    "orkney", "pacific", "pamir", "patagonia", "pyrenees", "rainier", "rhine", "rhone", "sahara", "samoa",
    "saimaa", "sardinia", "savanna", "seine", "serengeti", "shetland", "siberia", "sicily", "sierra",
    "sinai", "skye", "snowdon", "sognefjord", "sumatra", "superior", "svalbard", "tahiti", "tasmania",
    "teide", "thames", "tibet", "tigris", "titicaca", "toba", "transylvania", "ural", "vanern", "vesuvius",
    "victoria", "volga", "vosges", "yangtze", "yellowstone", "yosemite", "yukon", "zambezi", "zealand",
];

/// Cities.
#[rustfmt::skip]
pub(super) static CITIES: &[&str] = &[
    "aachen", "aarhus", "adelaide", "amsterdam", "ankara", "antwerp", "athens", "auckland", "baku",
    "bamako", "bangkok", "barcelona", "basel", "beirut", "belgrade", "bergen", "berlin", "bern", "bilbao",
    "bogota", "bologna", "bordeaux", "boston", "brasilia", "bratislava", "bremen", "brisbane", "bruges",
    "brussels", "bucharest", "budapest", "cairo", "calgary", "cologne", "copenhagen", "cordoba", "cork",
    "cracow", "dakar", "dallas", "damascus", "delft", "delhi", "denver", "dortmund", "dresden", "dublin",
    "edinburgh", "florence", "gdansk", "geneva", "genoa", "ghent", "glasgow", "gothenburg", "granada",
    "graz", "hague", "halifax", "hamburg", "hanoi", "havana", "helsinki", "istanbul", "jakarta", "kampala",
    "kathmandu", "kiel", "kyiv", "kyoto", "lagos", "leeds", "leipzig", "lima", "linz", "lisbon",
    "ljubljana", "london", "lucerne", "luxembourg", "lyon", "madrid", "malaga", "malmo", "manila",
    "marseille", "melbourne", "milan", "minsk", "montreal", "munich", "nairobi", "nantes", "naples", "nice",
    "nicosia", "odessa", "oporto", "osaka", "oslo", "ottawa", "oxford", "palermo", "paris", "perth", "pisa",
    "porto", "prague", "quito", "reykjavik", "riga", "rome", "rotterdam", "salamanca", "salzburg",
    "santiago", "sapporo", "sarajevo", "seattle", "seoul", "seville", "shanghai", "singapore", "sofia",
    "stockholm", "strasbourg", "stuttgart", "sydney", "taipei", "tallinn", "tampere", "tbilisi", "tokyo",
    "toronto", "toulouse", "tripoli", "trondheim", "tunis", "turin", "turku", "utrecht", "valencia",
    "valletta", "venice", "verona", "vienna", "vilnius", "warsaw", "weimar", "wellington", "york", "zagreb",
    "zurich",
];
